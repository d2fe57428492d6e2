//go:build !linux

package cli

func willNeed([]byte) {}
