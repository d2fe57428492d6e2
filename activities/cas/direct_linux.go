package cas

import "syscall"

const directFlag = syscall.O_DIRECT
