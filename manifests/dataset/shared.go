package dataset

// Sources says who states things.
type Sources struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Sources    []Source `json:"sources"`
}

// Source is somebody who states something.
type Source struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	URL   *string `json:"url"`
	Trust string  `json:"trust"` // how far it goes
}

// Accesses says what people do to get data.
type Accesses struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Procedures []Procedure `json:"procedures"`
}

// Procedure is what a person does once to get data of one publisher.
type Procedure struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Steps       []string `json:"steps"`
	Credentials []string `json:"credentials,omitempty"` // the environment variables that carry them
	Checked     *string  `json:"checked"`               // the publisher's page that says so; null if none could be read
}

// Selection says how a benchmark chose its datasets, and what it claims of them together.
type Selection struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Benchmark  string      `json:"benchmark"`
	Paper      Paper       `json:"paper"`
	Stages     []Stage     `json:"stages"`
	Criteria   []Statement `json:"criteria"`
	Tiers      []Tier      `json:"tiers"`
	Groups     []Group     `json:"groups"`
	Totals     Claims      `json:"totals"`
	Notes      []Note      `json:"notes,omitempty"`
}

// Paper is the publication of a benchmark.
type Paper struct {
	Title      string `json:"title"`
	Authors    string `json:"authors"`
	Venue      string `json:"venue"`
	ArXiv      string `json:"arxiv"`
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}

// Stage is a stage of the choice.
type Stage struct {
	Stage int64  `json:"stage"`
	Text  string `json:"text"`
	Origin
}

// Tier is a reason for which a dataset was chosen.
type Tier struct {
	ID    string `json:"id"`
	Stage int64  `json:"stage"`
	Text  string `json:"text"`
	Origin
}

// Group is a part of the benchmark of which the paper states the share.
type Group struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	Share float64 `json:"share"` // percent of all samples
	Origin
}

// Claims are the totals that the paper states.
type Claims struct {
	Datasets     Number  `json:"datasets"`
	Samples      Rounded `json:"samples"`
	Terabytes    Amount  `json:"terabytes"`
	Modalities   Number  `json:"modalities"`
	Domains      Number  `json:"domains"`
	Institutions Number  `json:"institutions"`
	Conditions   Number  `json:"conditions"`
	Countries    Number  `json:"countries"`
}

// Rounded is a count of which only the leading digits are stated.
type Rounded struct {
	Value int64  `json:"value"`
	To    int64  `json:"to"` // 10000: rounded to full ten thousands
	Text  string `json:"text"`
	Origin
}

// Amount is a number with a fraction.
type Amount struct {
	Value float64 `json:"value"`
	Origin
}
