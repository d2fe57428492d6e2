package publisher

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Shared reads a folder of the real test data that lies in ../shared/data beside the checkout, or in the folder that
// CAIRN_SHARED_DATA names; it is no part of the project. A test without it is skipped.
func Shared(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA") //nolint:forbidigo // where a test finds its data
	for dir := ".."; root == "" && len(dir) < 64; dir = filepath.Join(dir, "..") {
		if info, err := os.Stat(filepath.Join(dir, "shared", "data")); err == nil && info.IsDir() {
			root = filepath.Join(dir, "shared", "data")
		}
	}
	if root == "" {
		t.Skip("no ../shared/data above this folder and CAIRN_SHARED_DATA is not set")
	}
	files := map[string][]byte{}
	tree := os.DirFS(filepath.Join(root, folder))
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[path], err = fs.ReadFile(tree, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
