package cli

import (
	"io/fs"
	"syscall"
)

// willNeed lets the kernel read the pages of a mapped file ahead.
func willNeed(b []byte) { _ = syscall.Madvise(b, syscall.MADV_WILLNEED) }

// stampOf takes the results of Stat.
func stampOf(info fs.FileInfo, err error) (stamp, bool) {
	if err != nil {
		return stamp{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{Size: info.Size()}, false
	}
	return stamp{st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Ino, st.Dev}, true
}
