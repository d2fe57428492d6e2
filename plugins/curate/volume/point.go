package volume

import (
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// Points is a table of places in volumes, such as nodules. A volume without a row has no label and is left out.
type Points struct {
	Table   string    `json:"table" jsonschema:"glob of the table"`
	ID      string    `json:"id" jsonschema:"column that names the volume"`
	Find    string    `json:"find" jsonschema:"regular expression over the path of a volume, whose first group is what id has for it"`
	Columns [3]string `json:"columns" jsonschema:"columns of x, y and z in millimetres"`
	System  string    `json:"system,omitempty" jsonschema:"where x and y point: lps (left and back, as in ITK and DICOM) or ras (right and front, as in NIfTI); lps if not given"`
	Volume  string    `json:"volume,omitempty" jsonschema:"column of the volume in cubic millimetres: the slices that cut a ball of it are part of the point; an empty cell is of none"`
	Around  int       `json:"around,omitempty" jsonschema:"slices on both sides of a point that are part of it whatever its volume"`
	Overlap int       `json:"overlap,omitempty" jsonschema:"slices of a point that a run has to have for its label; 1 if not given"`
	Classes []Finding `json:"classes" jsonschema:"which class a row is of, the first that it fits"`
	None    string    `json:"none,omitempty" jsonschema:"class of the runs that have no point of a class"`
}

// Finding is a class of points.
type Finding struct {
	Class  string              `json:"class" jsonschema:"the class; an empty one is of rows that give no label"`
	Where  map[string][]string `json:"where,omitempty" jsonschema:"a row fits if it has one of these cells in each of these columns"`
	Column string              `json:"column,omitempty" jsonschema:"column of a number"`
	Most   *float64            `json:"most,omitempty" jsonschema:"the greatest number that fits"`
}

// The directions of coordinates.
const (
	LPS = "lps"
	RAS = "ras"
)

func (p Params) validatePoints() error {
	t := p.Points
	if t == nil {
		return nil
	}
	re, err := regexp.Compile(t.Find)
	_, glob := path.Match(t.Table, "")
	switch {
	case p.Take != Runs || p.Format == DICOM || p.Time != Exclude:
		return fmt.Errorf("points: they are for take: %s of format %s or %s, and of one time", Runs, NIfTI, MetaImage)
	case p.Labels.From != label.FromFolder || len(p.Labels.Classes) > 0:
		return errors.New("points: they have the labels, so that labels has neither from nor classes")
	case t.Table == "" || glob != nil || t.ID == "" || slices.Contains(t.Columns[:], "") || len(t.Classes) == 0:
		return errors.New("points: want table, id, three columns and classes")
	case err != nil:
		return fmt.Errorf("points.find: %w", err)
	case re.NumSubexp() < 1:
		return fmt.Errorf("points.find: %q, want an expression with a group", t.Find)
	case t.System != "" && t.System != LPS && t.System != RAS:
		return fmt.Errorf("points.system: %q, want %s or %s", t.System, LPS, RAS)
	case t.Around < 0 || t.Overlap < 0 || t.Overlap > p.Frames:
		return fmt.Errorf("points: around %d, overlap %d: want 0 or more, and no more than frames to overlap", t.Around, t.Overlap)
	}
	for i, f := range t.Classes {
		if (f.Column == "") != (f.Most == nil) {
			return fmt.Errorf("points.classes[%d]: column and most belong together", i)
		}
	}
	return nil
}

// classes is the sorted vocabulary.
func (t *Points) classes() []string {
	out := []string{t.None}
	for _, f := range t.Classes {
		out = append(out, f.Class)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(c string) bool { return c == "" })
}

// point is a row: a place in millimetres to the right, the front and the head, the cube of its radius, and its class.
type point struct {
	at     [3]float64
	cubed  float64
	class  string
	where  string // file:line
	broken error  // the volume is left out with it
}

// read reads the table.
func (t *Points) read(in plugins.Tree) (map[string][]point, error) {
	out, found := map[string][]point{}, false
	for _, f := range in.Files() {
		if !label.Matches(t.Table, f.Path) {
			continue
		}
		found = true
		table, err := tabular.Read(in, f.Path, tabular.Format{Header: true})
		if err != nil {
			return nil, fmt.Errorf("points.table: %w", err)
		}
		for _, name := range t.needed() {
			if name != "" && table.Column(name) < 0 {
				return nil, fmt.Errorf("points.table: %s: no column %q, have %q", f.Path, name, table.Columns)
			}
		}
		for _, row := range table.Rows {
			if row.Err != nil {
				return nil, fmt.Errorf("points.table: %w", row.Err)
			}
			id := table.Cell(row, t.ID)
			out[id] = append(out[id], t.point(table, row))
		}
	}
	if !found {
		return nil, fmt.Errorf("points.table: no file matches %q", t.Table)
	}
	return out, nil
}

func (t *Points) needed() []string {
	out := append([]string{t.ID, t.Volume}, t.Columns[:]...)
	for _, f := range t.Classes {
		out = append(out, f.Column)
		for name := range f.Where {
			out = append(out, name)
		}
	}
	return out
}

func (t *Points) point(table tabular.Table, row tabular.Row) point {
	p := point{where: fmt.Sprintf("%s:%d", table.File, row.Line)}
	number := func(column string) float64 {
		v, err := strconv.ParseFloat(table.Cell(row, column), 64)
		if (err != nil || math.IsNaN(v) || math.Abs(v) > 1e6) && p.broken == nil {
			p.broken = plugins.Exclude("broken-point", "%s: %s is %q, want a number of millimetres", p.where, column, table.Cell(row, column))
		}
		return v
	}
	for i, column := range t.Columns {
		p.at[i] = number(column)
		if t.System != RAS && i < 2 {
			p.at[i] = -p.at[i]
		}
	}
	if t.Volume != "" && table.Cell(row, t.Volume) != "" {
		p.cubed = float64(max(0, number(t.Volume))*3) / (4 * math.Pi)
	}
	for _, f := range t.Classes {
		if f.fits(table, row) {
			p.class = f.Class
			return p
		}
	}
	if p.broken == nil {
		p.broken = plugins.Exclude("unknown-label", "%s fits none of points.classes", p.where)
	}
	return p
}

func (f Finding) fits(table tabular.Table, row tabular.Row) bool {
	for column, cells := range f.Where {
		if !slices.Contains(cells, table.Cell(row, column)) {
			return false
		}
	}
	if f.Most == nil {
		return true
	}
	v, err := strconv.ParseFloat(table.Cell(row, f.Column), 64)
	return err == nil && v <= *f.Most
}

// reach is the slices from which to which a point goes, and its class.
type reach struct {
	from, to int
	class    string
}

// pointed gives the runs of one volume their labels.
func (r recipe) pointed(runs []plugins.Candidate, s stack) []plugins.Candidate {
	file := runs[0].Files[len(runs[0].Files)-1]
	reaches, err := r.reaches(file, s)
	var out *plugins.Exclusion
	if err != nil && !errors.As(err, &out) {
		out = &plugins.Exclusion{Code: "unreadable", Reason: fmt.Sprintf("%s: %v", file, err)}
	}
	for i := range runs {
		if runs[i].Excluded != nil {
			continue
		}
		if runs[i].Excluded = out; out != nil {
			continue
		}
		first := runs[i].Index
		for _, p := range reaches {
			if p.class != "" && min(p.to, first+r.Frames-1)-max(p.from, first)+1 >= max(1, r.Points.Overlap) {
				runs[i].Labels = append(slices.Clip(runs[i].Labels), p.class)
			}
		}
		if len(runs[i].Labels) == 0 && r.Points.None != "" {
			runs[i].Labels = []string{r.Points.None}
		}
	}
	return runs
}

// reaches finds the slices of all points of a volume.
func (r recipe) reaches(file string, s stack) ([]reach, error) {
	m := regexp.MustCompile(r.Points.Find).FindStringSubmatch(file) // was compiled before
	if m == nil || len(r.points[m[1]]) == 0 {
		return nil, plugins.Exclude("no-label", "no row of %s is about %s", r.Points.Table, file)
	}
	axis := s.stored(normals[r.Plane])
	row, err := across(s.affine, axis)
	if err != nil {
		return nil, err
	}
	n, spacing := s.dims[axis], 0.0
	for i := range 3 {
		spacing += float64(s.affine[i][axis] * s.affine[i][axis])
	}
	spacing = math.Sqrt(spacing)
	var out []reach
	for _, p := range r.points[m[1]] {
		if p.broken != nil {
			return nil, p.broken
		}
		k := 0.0
		for i := range 3 {
			k += float64(row[i] * float64(p.at[i]-s.affine[i][3]))
		}
		centre := math.Round(k)
		if !(centre >= 0 && centre < float64(n)) {
			return nil, plugins.Exclude("point-outside", "%s lies in slice %.0f of %s, which has %d", p.where, centre, file, n)
		}
		at := reach{max(0, int(centre)-r.Points.Around), min(n-1, int(centre)+r.Points.Around), p.class}
		within := func(slice int) bool {
			d := math.Abs(float64(slice)-k) * spacing
			return slice >= 0 && slice < n && float64(float64(d*d)*d) <= p.cubed
		}
		for within(at.from - 1) {
			at.from--
		}
		for within(at.to + 1) {
			at.to++
		}
		if s.axes[axis].Back {
			at.from, at.to = n-1-at.to, n-1-at.from
		}
		out = append(out, at)
	}
	return out, nil
}

// across is the row of the inverse of an affine that gives the place along one axis.
func across(a [3][4]float64, axis int) ([3]float64, error) {
	column := func(j int) [3]float64 { return [3]float64{a[0][j], a[1][j], a[2][j]} }
	u, v, w := column((axis+1)%3), column((axis+2)%3), column(axis)
	normal := [3]float64{
		float64(u[1]*v[2]) - float64(u[2]*v[1]),
		float64(u[2]*v[0]) - float64(u[0]*v[2]),
		float64(u[0]*v[1]) - float64(u[1]*v[0]),
	}
	volume := 0.0
	for i := range 3 {
		volume += float64(normal[i] * w[i])
	}
	if volume == 0 || math.IsInf(volume, 0) || math.IsNaN(volume) {
		return normal, errors.New("orientation: the axes of the volume lie in one plane")
	}
	for i := range 3 {
		normal[i] /= volume
	}
	return normal, nil
}
