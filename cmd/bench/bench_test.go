package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test binary act as a side, as bench does with itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-side" {
		if err := run(context.Background(), os.Args[1:], os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func contestOf(t *testing.T, out string, all ...workload) (book, string, error) {
	t.Helper()
	err := contest(t.Context(), options{size: "tiny", rounds: 3, out: out, tmp: t.TempDir()}, all, t.Output())
	b, loadErr := load(out)
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	page, readErr := os.ReadFile(filepath.Join(out, document))
	if readErr != nil {
		t.Fatal(readErr)
	}
	return b, string(page), err
}

// fake is a workload whose sides note in whose turn they are.
func fake(name string, sides ...side) workload {
	return workload{name: name, title: "do %d things", unit: "things", sizes: map[string]int{"tiny": 7}, sides: sides, notes: "Nothing."}
}

func noting(name, more string) side {
	return side{name: name, version: "echo v1 of " + name, work: scripts("", `echo `+name+` >>"$INPUT/order" && `+more)}
}

func TestContest(t *testing.T) {
	var order string
	w := fake("fake", noting(cairn, `printf 'figure seconds 4\nfigure new-shards 2\n'`), noting("peer", `echo figure seconds 2`), noting("broken", `echo because >&2; exit 3`),
		side{name: "nowhere", version: "no-such-tool --version | cut -c 1-9", work: scripts("", "true")})
	w.sides[0].most = 2
	w.goals = []goal{{text: "fast", limit: 1, have: ratio(fastest, "peer")}, {text: "few shards", limit: 2, have: figureOf("new shards")}, {text: "unlike nowhere", limit: 1, have: ratio(fastest, "nowhere")}}
	w.sides[1].work = after(w.sides[1].work, func(s *turn) error {
		text, err := s.shell(`cat "$INPUT/order"`)
		order = strings.Join(strings.Fields(text), " ")
		return err
	})
	b, page, err := contestOf(t, t.TempDir(), w)
	if err == nil || !strings.Contains(err.Error(), "failed: fake") {
		t.Errorf("error %v; want one that names the workload", err)
	}
	if want := "cairn peer broken peer cairn peer"; order != want {
		t.Errorf("turns %q, want %q: each round begins with the next side, a side that failed is out, Cairn has two turns", order, want)
	}
	r := b["fake"]
	if ours, ok := r.side(cairn); !ok || len(ours.Samples) != 2 || ours.Version != "v1 of cairn" {
		t.Errorf("Cairn's side is %+v", ours)
	}
	for _, want := range []string{
		"| [fake](#fake): do 7 things | 4 s (4 to 4), 1.75 things/s |", "| peer 2 (2) |",
		"fast: 2, **MISSED**<br>few shards: 2, met<br>unlike nowhere: not measured",
		"A goal is missed in: fake.", "Not installed here: nowhere.", "**Failed**:", "broken: ", "exit status 3", "because",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the document:\n%s", want, page)
		}
	}
}

func after(work, more func(*turn) error) func(*turn) error {
	return func(t *turn) error {
		if err := work(t); err != nil {
			return err
		}
		return more(t)
	}
}

// TestContestKeeps: what is not run keeps its place, its numbers and its date.
func TestContestKeeps(t *testing.T) {
	out := t.TempDir()
	first, second := fake("first", noting(cairn, "true")), fake("second", noting(cairn, "true"))
	before, _, err := contestOf(t, out, first)
	if err != nil {
		t.Fatal(err)
	}
	o := options{work: "second", size: "tiny", rounds: 1, out: out, tmp: t.TempDir()}
	if err := contest(t.Context(), o, []workload{first, second}, t.Output()); err != nil {
		t.Fatal(err)
	}
	now, err := load(out)
	if err != nil || len(now) != 2 {
		t.Fatalf("%d results, %v; want 2", len(now), err)
	}
	if diff := cmp.Diff(before["first"], now["first"]); diff != "" {
		t.Errorf("the workload that was not run changed: %s", diff)
	}
}

// TestPrepareFails: a workload that cannot begin is reported, not left out.
func TestPrepareFails(t *testing.T) {
	w := fake("stuck", noting(cairn, "true"))
	w.prepare = func(s *turn) error { _, err := s.shell("echo no room; false"); return err }
	b, page, err := contestOf(t, t.TempDir(), w)
	if err == nil || !strings.Contains(b["stuck"].Failed, "no room") || !strings.Contains(page, "no room") {
		t.Errorf("error %v, result %+v", err, b["stuck"])
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]options{
		"there is no \"x\"": {work: "x", size: "tiny", rounds: 1},
		"-size":             {size: "huge", rounds: 1},
		"-rounds":           {size: "tiny"},
	} {
		if _, err := choose(workloads(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v; want an error with %s", o, err, name)
		}
	}
	if got, err := choose(workloads(), options{work: "ecg,verify", size: "tiny", rounds: 1}); err != nil || !slices.Equal(names(got), []string{"ecg", "verify"}) {
		t.Errorf("%v, %v", names(got), err)
	}
}

// TestMeasure: memory and failures are those of the whole tree of processes.
func TestMeasure(t *testing.T) {
	s, err := newScene(t.Context(), options{tmp: t.TempDir()}, 1, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	one, err := s.turn("one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.measure(`sh -c 'dd if=/dev/zero of=/dev/null bs=96M count=1' 2>&1`); err != nil || one.got.Peak < 96 || one.got.Seconds <= 0 {
		t.Errorf("a child of 96 MiB: %+v, %v", one.got, err)
	}
	if _, err := one.measure("echo out; echo err >&2; exit 4"); err == nil || !strings.Contains(err.Error(), "exit status 4\nout\nerr") {
		t.Errorf("error %v; want one with status and output", err)
	}
	if _, err := one.measure("echo figure bytes many"); err == nil {
		t.Error("a figure that is no number was accepted")
	}
}

// TestSides runs for real what needs no program but this one; peers take part where they are installed.
func TestSides(t *testing.T) {
	for _, w := range []workload{oneFile, ecgSignals} {
		t.Run(w.name, func(t *testing.T) {
			b, _, err := contestOf(t, t.TempDir(), w)
			if err != nil {
				t.Fatal(err)
			}
			if ours, ok := b[w.name].side(cairn); !ok || ours.Samples[0].Seconds <= 0 {
				t.Errorf("Cairn was not measured: %+v", b[w.name])
			}
		})
	}
}

func TestWorkloads(t *testing.T) {
	all := workloads()
	for i, w := range all {
		if slices.Contains(names(all[:i]), w.name) {
			t.Errorf("%s: there are two", w.name)
		}
		if len(w.sides) == 0 || w.sides[0].name != cairn || len(w.goals) == 0 || w.notes == "" || !strings.Contains(w.title, "%d") {
			t.Errorf("%s: want Cairn first, a goal, notes and a title with the number", w.name)
		}
		if w.sizes["tiny"] < 1 || w.sizes["small"] < w.sizes["tiny"] || w.sizes["full"] < w.sizes["small"] {
			t.Errorf("%s: sizes %v", w.name, w.sizes)
		}
	}
}

// TestDocument: BENCHMARKS.md is what follows from the numbers.
func TestDocument(t *testing.T) {
	b, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	want, err := b.render(workloads())
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../" + document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what %s says; `make bench WORK=none` writes it anew", document, numbers)
	}
}

// TestPublisher: it stops half-way until the client was killed, and counts what it sends.
func TestPublisher(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	if err := writeNoise(file, 4, 1); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{file: file, enough: 2 << 20, half: make(chan struct{}), goOn: make(chan struct{})}
	url, err := p.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan []byte)
	go func() { first <- download(t, url, 0) }()
	<-p.half
	close(p.goOn)
	got := <-first // which ends because the publisher hangs up
	if rest := download(t, url, len(got)); !bytes.Equal(append(bytes.Clone(got), rest...), want) {
		t.Errorf("%d bytes and %d bytes are not the file", len(got), len(rest))
	}
	if sent := p.sent.Load(); len(got) < 2<<20 || sent != 4<<20 {
		t.Errorf("%d bytes came before the stop and %d were sent, want half and all", len(got), sent)
	}
}

// download returns what comes of a file from an offset on, however it ends.
func download(t *testing.T, url string, from int) []byte {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	return got
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.04567: "0.0457", 1.096: "1.1", 99.94: "99.9", 100: "100", 1234567: "1,234,567", -0.712: "-0.712"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
	for _, c := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.all); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.all, got, c.want)
		}
	}
	one := func(at int, took float64) sample { return sample{Round: at, Seconds: took} }
	ours := sideResult{Samples: []sample{one(0, 2), one(1, 30), one(2, 4)}}
	theirs := sideResult{Samples: []sample{one(2, 1), one(1, 10), one(0, 1)}}
	if got := pairs(ours, theirs); got != 3 {
		t.Errorf("pairs = %v, want 3, the median of 2, 3 and 4", got)
	}
}

func TestResidentPages(t *testing.T) {
	line := func(name string, group int) string {
		return fmt.Sprintf("12 (%s) S 1 %d 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1000000 777 18446744073709551615", name, group)
	}
	for name, c := range map[string]struct {
		stat string
		want int64
	}{
		"of the group":     {line("sh", 12), 777},
		"of another":       {line("sh", 13), 0},
		"a name with )":    {line("a) R 9 9 9", 12), 777},
		"ended in a hurry": {"", 0},
	} {
		if got := residentPages(c.stat, 12); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
