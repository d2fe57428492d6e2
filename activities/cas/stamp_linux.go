package cas

import (
	"io/fs"
	"syscall"
)

// StampOf takes the results of Stat. It says whether the stamp can be relied on.
func StampOf(info fs.FileInfo, err error) (Stamp, bool) {
	if err != nil {
		return Stamp{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{Size: info.Size()}, false
	}
	return Stamp{st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Ino, st.Dev}, true
}
