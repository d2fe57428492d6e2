package main

import (
	"context"
	_ "embed" // the Python sides
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/ecg"
	curateimage "github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var (
	//go:embed ecg.py
	ecgPython []byte
	//go:embed xray.py
	xrayPython []byte
)

var ecgSignals = workload{
	name: "ecg", title: "decode and resample %d ECG records on one core", unit: "records",
	sizes:   map[string]int{"tiny": 20, "small": 200, "full": 1000},
	prepare: raw("ecg", ecgPython),
	sides: []side{
		{name: cairn, version: ownVersion, work: scripts("", `GOMAXPROCS=1 "$BENCH" -side ecg "$INPUT/raw" out`)},
		{name: "python", version: `python3 -c 'import wfdb, scipy, numpy; print("wfdb", wfdb.__version__, "SciPy", scipy.__version__, "NumPy", numpy.__version__)'`,
			work: scripts("mkdir out", `python3 "$INPUT/side.py" "$INPUT/raw" out`)},
	},
	goals: []goal{{text: "at most 1/3 of Python's time", limit: 1. / 3, have: ratio(slowest, "python")}},
	notes: `Records of 12 leads, 10 s, 500 Hz, resampled to 100 Hz. Cairn's side is the whole curate plugin (samples, splits, duplicates,
exclusions, digests); Python's is wfdb.rdrecord, scipy.signal.resample_poly and numpy.save. Both read from a warm disk and
write to it, unsynced, and count from after their start: importing the libraries takes Python longer than the work.
Both ask for one core; Go's collector and runtime are on it.`,
}

const pillow = `python3 -c 'import PIL, numpy; from PIL import features; print("Pillow", PIL.__version__, "libjpeg-turbo", features.version("libjpeg_turbo"), "NumPy", numpy.__version__)'`

var xrayImages = workload{
	name: "image", title: "decode and resize %d JPEGs on one core", unit: "images",
	sizes:   map[string]int{"tiny": 10, "small": 50, "full": 200},
	prepare: raw("xray", xrayPython),
	sides: []side{
		{name: cairn, version: ownVersion, work: scripts("", `GOMAXPROCS=1 "$BENCH" -side xray "$INPUT/raw" out`)},
		{name: "python", version: pillow, work: scripts("mkdir out", `python3 "$INPUT/side.py" "$INPUT/raw" out`)},
		{name: "python-draft", version: pillow, work: scripts("mkdir out", `python3 "$INPUT/side.py" "$INPUT/raw" out draft`)},
	},
	goals: []goal{{text: "at most 1/3 of Python's time", limit: 1. / 3, have: ratio(slowest, "python")}},
	notes: `From 1024 to 224 pixels, grey. Cairn's side is the whole curate plugin (samples, splits, duplicates, exclusions, digests), and
decodes with a decoder of its own, in Go without vector instructions, at a quarter of the size. Python's is Pillow (libjpeg-turbo, with
its vector instructions) and numpy.save: as it is usually written, at the full size, and with Image.draft, at a quarter as well. Both
read from a warm disk and write to it, unsynced, and count from after their start. Most of what is left to both is
decoding Huffman codes one after the other, 330 kB a picture.`,
}

// raw makes the records of a synthetic dataset, and the script of the Python side. bench's own memory stays small.
func raw(dataset string, python []byte) func(*turn) error {
	return func(t *turn) error {
		if err := t.write("side.py", python); err != nil {
			return err
		}
		_, err := t.shell(fmt.Sprintf(`"$BENCH" -side synthesise %s "$N" raw`, dataset))
		return err
	}
}

// synthesise writes a synthetic dataset of args[1] samples to a folder.
func synthesise(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("synthesise: want a dataset, a number and a folder")
	}
	more := map[string]string{"xray": `,"pixels":1024`}[args[0]]
	files, err := plugintest.Case{
		Plugin: synthetic.Plugin(), Seed: 1,
		Params: fmt.Sprintf(`{"dataset":%q%s,"samples":%s,"quirks":false}`, args[0], more, args[1]),
	}.Run(ctx, 2, args[2])
	if err != nil {
		return err
	}
	return writeTree(args[2], files)
}

func curateECG(ctx context.Context, args []string) error {
	return curate(ctx, ecg.Plugin(), "ecg", `{"rate":100,"labels":{"426783006":"sinus","*":"other"}}`, args)
}

func curateXray(ctx context.Context, args []string) error {
	return curate(ctx, curateimage.Plugin(), "xray", `{"size":224,"restart":true,"labels":{"from":"folder","side":"path"}}`, args)
}

// curate is Cairn's side: from a folder of files to a folder of samples. It prints how long that took.
func curate(ctx context.Context, p plugins.Plugin, modality, params string, args []string) error {
	if len(args) != 2 {
		return errors.New("curate: want a folder to read and one to write")
	}
	start, before := time.Now(), used()
	in, err := openTree(args[0])
	if err != nil {
		return err
	}
	normal, err := p.Normalise(json.RawMessage(params))
	if err != nil {
		return err
	}
	err = p.Run(ctx, plugins.Call{
		Params: normal, Seed: 1, Workers: 1, Scratch: args[1], Progress: func(plugins.Progress) {},
		Inputs:  []plugins.Input{{Name: "raw", Tree: in}},
		Output:  output(args[1]),
		Dataset: &action.Dataset{ID: "d", Modality: modality, Licence: "CC0-1.0", Access: "open"},
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "figure seconds %f\nfigure cpu %f\n", time.Since(start).Seconds(), (used() - before).Seconds())
	return err
}

// used is the CPU that this process has had.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func writeTree(dir string, files plugintest.Files) error {
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
