package video

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// FFmpegParams are the parameters of plugin ffmpeg.
type FFmpegParams struct {
	Version string `json:"version" jsonschema:"the version that has to be there, as the first line of 'ffmpeg -version' has it behind 'ffmpeg version', such as 5.1.9-0+deb12u1"`
	Params
}

// Validate says what is wrong with the parameters, if anything is.
func (p FFmpegParams) Validate() error {
	if p.Version == "" || strings.ContainsAny(p.Version, " \n") {
		return fmt.Errorf("version: %q, want that of the ffmpeg that is to decode, as 'ffmpeg -version' says it", p.Version)
	}
	return p.Params.Validate()
}

// FFmpeg makes the plugin curate/ffmpeg.
func FFmpeg() plugins.Plugin {
	spec := catalog.Spec{
		Name: "ffmpeg", Version: "1", Summary: "films of any codec that the ffmpeg program of a stated version reads, as frames of one size",
		Determinism: catalog.Platform, Reason: "ffmpeg is a program of the machine; some of its decoders calculate differently with other instructions of the processor",
		Queue: catalog.QueueCPU, MemoryBytes: 2 << 30, Modalities: []string{"video", "ultrasound"},
	}
	p := FFmpegParams{Version: "none", Params: defaults()}
	return plugins.Curate(spec, p, func(p FFmpegParams) plugins.SplitRule { return p.Split }, func(p FFmpegParams) (plugins.Recipe, error) {
		prog := &program{want: p.Version}
		return withProgram{recipe{p.Params, prog.open, &reels{}}, prog}, nil
	})
}

// withProgram makes sure that the program is there before anything is planned: a run without it fails and says so, as samples that are left out for
// want of a program would look like broken ones.
type withProgram struct {
	recipe
	program *program
}

func (r withProgram) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	if err := r.program.check(ctx); err != nil {
		return plugins.Curation{}, err
	}
	return r.recipe.Plan(ctx, in)
}

// machineError is what is wrong with the machine, not with a film.
type machineError struct{ what string }

func (e *machineError) Error() string { return e.what }

// program is the ffmpeg of this machine.
type program struct {
	want string
	once sync.Once
	said string // version, and those of the libraries that decode and demultiplex
	err  error
}

// check asks for the version once, and compares.
func (p *program) check(ctx context.Context) error {
	p.once.Do(func() {
		text, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			p.err = &machineError{"the program ffmpeg is not on this machine (no such file in PATH): install version " + p.want}
		case err != nil:
			p.err = &machineError{fmt.Sprintf("ffmpeg -version: %v", err)}
		default:
			p.said, p.err = p.compare(string(text))
		}
	})
	return p.err
}

func (p *program) compare(text string) (string, error) {
	fields := strings.Fields(text)
	if len(fields) < 3 || fields[0] != "ffmpeg" || fields[1] != "version" {
		return "", &machineError{fmt.Sprintf("ffmpeg -version says %.80q", text)}
	}
	if fields[2] != p.want {
		return "", &machineError{fmt.Sprintf("this machine has ffmpeg %s, the parameters want %s", fields[2], p.want)}
	}
	said := "ffmpeg " + fields[2]
	for _, line := range strings.Split(text, "\n") {
		name, rest, _ := strings.Cut(line, " ")
		if built, _, ok := strings.Cut(rest, "/"); ok && (name == "libavcodec" || name == "libavformat") {
			said += " " + name + " " + strings.ReplaceAll(built, " ", "")
		}
	}
	return said, nil
}

func (p *program) open(in plugins.Tree, name string, channels int) (film, error) {
	return ffmpegFilm{file{in, name, channels}, p}, nil
}

type ffmpegFilm struct {
	file
	program *program
}

func (f ffmpegFilm) decoder() string { return f.program.said }

// input reads a film from the standard input. Film files are read at many places, so that ffmpeg keeps what came by in a file of its own, until it ends.
// No other protocol may be asked for, and no format that names other files: a film cannot make ffmpeg open anything.
var input = []string{
	"-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-max_alloc", "1073741824",
	"-protocol_whitelist", "cache,pipe", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg,gif,h264,hevc,m4v",
	"-read_ahead_limit", "-1", "-i", "cache:pipe:0", "-map", "0:v:0",
}

// run gives use what ffmpeg writes. If use wants no more, the program is ended.
func (f ffmpegFilm) run(ctx context.Context, output []string, use func(io.Reader) error) error {
	if err := f.program.check(ctx); err != nil {
		return err
	}
	return f.read(true, func(r io.Reader) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		cmd := exec.CommandContext(ctx, "ffmpeg", append(append([]string{}, input...), output...)...)
		said := &tail{}
		cmd.Stdin, cmd.Stderr = r, said
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return &machineError{"start ffmpeg: " + err.Error()}
		}
		used := use(bufio.NewReaderSize(out, 1<<16))
		if errors.Is(used, errEnough) {
			cancel()
			_ = cmd.Wait()
			return nil
		}
		_, _ = io.Copy(io.Discard, out)
		err = cmd.Wait()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("ffmpeg: %w: %s", err, said)
		}
		return errors.Join(ctx.Err(), used)
	})
}

// errEnough says that all that is wanted has come.
var errEnough = errors.New("enough")

// tail is the end of what a program says. It has no path or time of this machine: ffmpeg's own addresses are cut off.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	t.b = t.b[max(0, len(t.b)-1000):]
	return len(b), nil
}

func (t *tail) String() string {
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(string(t.b)), "\n") {
		if i := strings.Index(line, "] "); strings.HasPrefix(line, "[") && i > 0 {
			line = line[i+2:]
		}
		if line != "" && !strings.Contains(line, "seekback") && !strings.Contains(line, "Last message repeated") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "; ")
}

// length counts packets, each of which is a frame, without decoding them.
func (f ffmpegFilm) length(ctx context.Context) (n int, rate float64, err error) {
	err = f.run(ctx, []string{"-c", "copy", "-f", "framecrc", "-"}, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if !bytes.HasPrefix(lines.Bytes(), []byte("#")) {
				n++
			}
		}
		return lines.Err()
	})
	if err != nil {
		return 0, 0, err
	}
	err = f.run(ctx, toY4M, func(r io.Reader) error {
		h, err := readY4M(bufio.NewReader(r))
		if err != nil {
			return err
		}
		rate = h.rate
		return errEnough
	})
	return n, rate, err
}

// toY4M writes every frame as it is decoded, none twice and none dropped, in the colours in which almost all films are stored.
var toY4M = []string{"-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"}

func (f ffmpegFilm) each(ctx context.Context, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error {
	return f.run(ctx, toY4M, func(r io.Reader) error {
		in := bufio.NewReaderSize(r, 1<<16)
		h, err := readY4M(in)
		if err != nil {
			return err
		}
		for i := 0; i <= last; i++ {
			b, err := h.frame(in)
			if err != nil {
				return regular(err)
			}
			if wanted(i) {
				use(i, h.picture(b, f.channels))
			}
		}
		return errEnough
	})
}

// y4m is the head of a stream of frames (the format of mjpegtools, "yuv4mpeg").
type y4m struct {
	w, h int
	rate float64
	full bool // luma from 0 to 255, not from 16 to 235
}

// maxLine bounds a line of a y4m stream.
const maxLine = 1 << 12

func readY4M(r *bufio.Reader) (y4m, error) {
	var out y4m
	text, err := line(r)
	if err != nil {
		return out, errors.New("no picture was decoded")
	}
	for _, f := range strings.Fields(text) {
		switch f[0] {
		case 'W':
			out.w, _ = strconv.Atoi(f[1:])
		case 'H':
			out.h, _ = strconv.Atoi(f[1:])
		case 'F':
			a, b, _ := strings.Cut(f[1:], ":")
			num, _ := strconv.ParseFloat(a, 64)
			if den, _ := strconv.ParseFloat(b, 64); den > 0 {
				out.rate = num / den
			}
		case 'X':
			out.full = out.full || f == "XCOLORRANGE=FULL"
		}
	}
	const most = 1 << 26
	if !strings.HasPrefix(text, "YUV4MPEG2 ") || out.w < 1 || out.h < 1 || out.w > most/out.h {
		return out, fmt.Errorf("pictures of %d x %d pixels, want 1 to %d in all", out.w, out.h, most)
	}
	return out, nil
}

func line(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if err == nil && len(b) > maxLine {
		err = errors.New("a line that is too long")
	}
	return strings.TrimSuffix(string(b), "\n"), err
}

// frame reads the next: luma, and the two chromas of half the width and height.
func (h y4m) frame(r *bufio.Reader) ([]byte, error) {
	text, err := line(r)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(text, "FRAME") {
		return nil, fmt.Errorf("%.20q where a frame should begin", text)
	}
	b := make([]byte, h.w*h.h+2*((h.w+1)/2)*((h.h+1)/2))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, errors.New("a frame is cut off")
	}
	return b, nil
}

// picture turns a frame into grey or RGB as ITU-R BT.601 says, in 16-bit fractions. Four pixels share a colour.
func (h y4m) picture(b []byte, channels int) raster.Raster {
	out := raster.Blank(h.w, h.h, channels)
	half := (h.w + 1) / 2
	cb := b[h.w*h.h:]
	cr := cb[half*((h.h+1)/2):]
	for y := range h.h {
		row := out.Row(y)
		for x := range h.w {
			c := y/2*half + x/2
			red, green, blue := h.colour(int32(b[y*h.w+x]), int32(cb[c])-128, int32(cr[c])-128)
			raster.Put(row, x, channels, red, green, blue)
		}
	}
	return out
}

func (h y4m) colour(y, cb, cr int32) (red, green, blue uint32) {
	luma, r, gb, gr, b := 76309*(y-16), int32(104597), int32(25675), int32(53279), int32(132201) // times 255/219 and 255/224
	if h.full {
		luma, r, gb, gr, b = y<<16, 91881, 22554, 46802, 116130
	}
	eight := func(v int32) uint32 { return uint32(min(max((v+1<<15)>>16, 0), 255)) }
	return eight(luma + r*cr), eight(luma - gb*cb - gr*cr), eight(luma + b*cb)
}
