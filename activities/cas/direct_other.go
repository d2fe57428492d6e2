//go:build !linux

package cas

const directFlag = 0
