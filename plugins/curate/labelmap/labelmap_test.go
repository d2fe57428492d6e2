package labelmap_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// What a shipped map says is part of published results: a change of its codes is a new map with a new name. Other maps' digests are
// added here with them.
func TestShipped(t *testing.T) {
	want := map[string]string{
		"bcss-4":             "sha256:ad9eefd8268608bf43140141808511333d60f5e67d9e21b15c4be86be77a931e",
		"benchmd-chapman":    "sha256:2439104b4aaca3c1c75a9f8355fbef2e2002b10f5a596b1352ff96c356854d8f",
		"benchmd-cpsc":       "sha256:bac93d778c39025cd91214340f288954b3a5ed6b8dd9d7e801f9eaebe028d1f3",
		"benchmd-cpsc-also":  "sha256:faa98e45c1f31084198e68e858b791fc12708576610a4f486f246054e570c4fd",
		"benchmd-georgia":    "sha256:9db1aa0b48b87c0478bd09cf9b9245b5546077824e7467a96eabeb85c4e1693e",
		"benchmd-ptb-xl":     "sha256:97728879a81d43e4f083b0ca0ef0a1705b4658d5924e9ebd99fe15d368348597",
		"benchmd-ptb-xl-scp": "sha256:41f8f47e652b3bee2519230c9c9d85e1f848af19205b17ab1a167da3a539492e",
		"birads-5":           "sha256:f894dd15adcbdcfdcb2ae3a346a4616b4e789d524d6da26f3c2287d6cd9c5569",
		"brain-mri-2":        "sha256:5d234d3c3cc3fb61888cbcf8930ae0777513382799eaac07441492e98d92f7d5",
		"brain-tumor-4":      "sha256:0a4bbdd162c39d84879cc72e7f20f9860a88a13d2bdf1d21904ab1a7f88ef5c4",
		"busi-3":             "sha256:dd68e5bb51b26706f166b83438f6ea42957fd6265eddce68edf1aad3ee75b850",
		"chexpert-14":        "sha256:592249bd323f66be243bf30aa6a01f596e1ada782238c7e67f395d8c67333391",
		"climb-7":            "sha256:5e9c2f052ca298e807bd3b3ac076791221f70b85bd0abf4497a1aba5354d51e0",
		"cholec80-14":        "sha256:3fb760499d61acf53622ad4bb48b55d33476dea6bfc5a93015886855a61f0314",
		"cmmd-2":             "sha256:97a330b2e6752164d4d86082b1921498cdfb05885ce3280842579606e207c6e9",
		"coronahack-3":       "sha256:482c24f5c8cea0d14950bae9587563df0d1977f59948497b0b6d843b0513d2be",
		"covid-19-cxr-4":     "sha256:a14beea8ccb398a65dab32358e4fddae294b8a5297f4ac0adaf9b1b1c5bdb645",
		"covid-blues-2":      "sha256:aacef2e88f26c22a52c7bb7e4b96397c415f8318ce29b3b5c0760f76a4b33b0f",
		"covid-us-3":         "sha256:d1796bb81e5d54bea4b665dc882cbec159ecbafc1ff1f6eabfe84a97d7805843",
		"cpsc-2018-7":        "sha256:c38893f37cd9458486dd38b12ac3350776c9f45aea230ef0ea4a21f2ba513d56",
		"davis-5":            "sha256:d195305b512b01d6a315efc5f9bd50d2ca00b8cb1196f318b2f372ebf57bf839",
		"ham10000-5":         "sha256:95d6f7f6eab5e3d435777adaca534a12a0c2e0a68de62a61b119ba859e5a68b4",
		"hemorrhage-2":       "sha256:cc03974ad492dcf98462c72b246137cbdd0c56d36dc2d8229a8a9d0e5b452c60",
		"hugadb-12":          "sha256:3fd68c039b57dd62b9c68a53de1bfe3abfc6d52b72b93d50ce451eb50cd0958f",
		"inspect-5":          "sha256:fbf4de813e8be24af8374a6fadd3c18a3bb035618e73f45b53004c21baa8a0ee",
		"isic-2020-2":        "sha256:ac5c10dd657642d3b029c7e50586b99dbf00663a6da108ea21e531f84d3d9e69",
		"jichi-davis-4":      "sha256:76829dc40a79eac0a183c7bf194ccbbf42eb4ce532639c47b03166649ac032c6",
		"kits23-2":           "sha256:366325b6be05db35db165b2ea9d5f64298eceb046d8898d83e9fb95a0f60267c",
		"lc25000-5":          "sha256:caafdd512de7e3f2e1cb3becbc2f2dce998839bbf081e0adbab012d0ff5c28dc",
		"pad-ufes-5":         "sha256:d52df408e5280fb8edb77ac2b204689d0eb87ecebe8d99ba3c6d377257a224c3",
		"ptb-xl-7":           "sha256:a0819c26a220e836da1d0b0f27e7ab0e6b14990cfbb6bae15ca362e63ca09e99",
		"ptb-xl-superclass":  "sha256:08557734889e5cd80688170b4437434cedb28cb314410d9644acb294ec9b7b21",
		"rspect-3":           "sha256:2916be1bb79db1c9de9978157ec0c9301435cedecee6591929c3b46b5decb93d",
		"vindr-chexpert-14":  "sha256:dae154f2e221d32110f5481eb1c76c2d0cfba31714f1908c0f76751c7168fd00",
	}
	files, err := labelmap.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		d, err := f.Codes.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if d.String() != want[f.Name] {
			t.Errorf("%s is %s, want %s", f.Name, d, want[f.Name])
		}
		if used, _ := f.Codes.LabelMap(); used.Name == "" || used.Digest != d || used.Codes != len(f.Codes) {
			t.Errorf("%s describes itself as %+v", f.Name, used)
		}
	}
}

func TestParam(t *testing.T) {
	m := labelmap.Map{"old": "x"}
	if err := json.Unmarshal([]byte(`{"1":"a","2":"b","3":"a","4":"","*":"other"}`), &m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "other"}, m.Classes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "other"}, m.Of([]string{"7", "3", "1", "4"})); diff != "" {
		t.Error(diff)
	}
	if class, known := m.Class("4"); class != "" || !known {
		t.Errorf("a dropped code has class %q, %v", class, known)
	}
	if used, ok := m.LabelMap(); !ok || used.Name != "" || used.Codes != 5 {
		t.Errorf("a map of one's own describes itself as %+v", used)
	}
	if err := json.Unmarshal([]byte(`"climb-7"`), &m); err != nil || m["426783006"] != "Normal" || m["old"] != "" {
		t.Errorf("by name: %v, %v", m, err)
	}
	if err := json.Unmarshal([]byte(`"climb-8"`), &m); err == nil || !strings.Contains(err.Error(), "climb-7") {
		t.Errorf("an unknown name: %v", err)
	}
	if _, ok := (labelmap.Map{}).LabelMap(); ok {
		t.Error("an empty map is described as used")
	}
}

func TestParse(t *testing.T) {
	const head = "title: t\nsource: s\ncodes:\n"
	for text, want := range map[string]string{
		head + "  \"1\": a\n  2: b\n":            "",
		head + "  \"1\": a\n  \"1\": b\n":        "already",
		head + "  1: [a]\n":                      "want a text",
		head + "  1: 2\n":                        "want a text",
		"title: t\ncodes: {a: b}\n":              "source",
		head + "  a: \"\"\n":                     "at least one class",
		head + "  a: b\nclasses: [b]\n":          "classes",
		"":                                       "label map x",
		"title: t\nsource: s\ncodes: [a, b]\n":   "label map x",
		"title: &a [*a]\nsource: s\ncodes: {}\n": "label map x",
	} {
		_, err := labelmap.Parse("x", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("title: t\nsource: s\ncodes: {\"1\": a}\n"))
	f.Add([]byte("codes: {*: a}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := labelmap.Parse("x", text)
		if err == nil && len(m.Codes.Classes()) == 0 {
			t.Error("a map without classes was taken")
		}
	})
}
