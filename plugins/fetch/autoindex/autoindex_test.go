package autoindex

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
)

// The pages are written after the servers' source code, and after what ftp.ncbi.nlm.nih.gov and ftp.ebi.ac.uk answer.
const (
	ncbi = `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /geo/series/GSE1nnn/GSE1000/suppl</title></head>
<body><h1>Index of /geo/series/GSE1nnn/GSE1000/suppl</h1>
<pre>Name                           Last modified      Size  <hr><a href="/geo/series/GSE1nnn/GSE1000/">Parent Directory</a>                                    -
<a href="GSE1000_RAW.tar">GSE1000_RAW.tar</a>               2013-01-17 13:59  375M
<a href="filelist.txt">filelist.txt</a>                   2013-01-17 13:59  972
<a href="old/">old/</a>                           2013-01-17 13:59    -
<hr></pre>
<a href="https://www.hhs.gov/vulnerability-disclosure-policy/index.html">HHS Vulnerability Disclosure</a>
</body></html>
`
	ebi = `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head><title>Index of /pub/E-MTAB-1</title></head>
 <body>
<h1>Index of /pub/E-MTAB-1</h1>
  <table>
   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th><th><a href="?C=D;O=A">Description</a></th></tr>
   <tr><th colspan="5"><hr></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td><a href="/pub/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td><td>&nbsp;</td></tr>
<tr><td valign="top"><a href="E-MTAB-1%20x&amp;y.tsv"><img src="/icons/text.gif" alt="[TXT]"></a></td><td><a href="E-MTAB-1%20x&amp;y.tsv">E-MTAB-1 x&amp;y.tsv</a></td><td align="right">2025-02-07 19:49  </td><td align="right">1.2G</td><td>&nbsp;</td></tr>
<tr><td valign="top"><img src="/icons/folder.gif" alt="[DIR]"></td><td><a href="qc/">qc/</a></td><td align="right">2025-02-07 19:49  </td><td align="right">  - </td><td>Reports of quality</td></tr>
   <tr><th colspan="5"><hr></th></tr>
</table>
</body></html>
`
	nginx = "<html>\r\n<head><title>Index of /d/</title></head>\r\n<body>\r\n<h1>Index of /d/</h1><hr><pre><a href=\"../\">../</a>\r\n" +
		"<a href=\"sub/\">sub/</a>                                               28-Sep-2024 12:00                   -\r\n" +
		"<a href=\"./ab:c.txt\">ab:c.txt</a>                                           28-Sep-2024 12:00              123456\r\n" +
		"<a href=\"a_very_long_name_that_does_not_fit_into_fifty_columns.tar.gz\">a_very_long_name_that_does_not_fit_into_fifty_co..&gt;</a> 28-Sep-2024 12:00                   0\r\n" +
		"</pre><hr></body>\r\n</html>\r\n"
	bare = `<html><head><title>Index of /d</title></head><body><h1>Index of /d</h1>
<ul><li><a href="/"> Parent Directory</a></li>
<li><a href="a.txt"> a.txt</a></li>
</ul>
</body></html>`
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, folder, page string
		want               []Entry
	}{
		{"as NCBI", "/geo/series/GSE1nnn/GSE1000/suppl/", ncbi, []Entry{{"GSE1000_RAW.tar", false, -1}, {"filelist.txt", false, 972}, {"old", true, -1}}},
		{"as EBI", "/pub/E-MTAB-1/", ebi, []Entry{{"E-MTAB-1 x&y.tsv", false, -1}, {"qc", true, -1}}},
		{"nginx", "/d/", nginx, []Entry{{"sub", true, -1}, {"ab:c.txt", false, 123456}, {"a_very_long_name_that_does_not_fit_into_fifty_columns.tar.gz", false, 0}}},
		{"names only", "/d/", bare, []Entry{{"a.txt", false, -1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.folder, []byte(c.page))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefused: a page of which one thing is not as it should be is not read at all.
func TestRefused(t *testing.T) {
	const folder, file = "/geo/series/GSE1nnn/GSE1000/suppl/", `<a href="filelist.txt">filelist.txt</a>                   2013-01-17 13:59  972`
	for was, to := range map[string][2]string{
		"</body></html>":                    {"", "it ends before its end"},
		"<hr></pre>":                        {"", "its list does not end"},
		"<pre>":                             {"<div>", "there is no list in it"},
		"<title>Index of /geo":              {"<title>Index of /other", `its title is "Index of /other/`},
		"<hr></pre>\n":                      {"<hr></pre><pre></pre>", "more than one list"},
		`"filelist.txt"`:                    {`"../filelist.txt"`, `link 3, "../filelist.txt": does not lead into the folder`},
		`href="filelist.txt"`:               {`href="..%2ffilelist.txt"`, "does not lead into the folder"},
		`<a href="filelist.txt">`:           {`<a href=".">`, "not a clean relative path"},
		`<a href="filelist.txt"`:            {`<a href="a%00b"`, `link 3`},
		`href="filelist.txt">`:              {`href="https://elsewhere.org/filelist.txt">`, "leads elsewhere"},
		`<a href="filelist.txt">f`:          {`<a href="//elsewhere.org/filelist.txt">f`, "leads elsewhere"},
		`<a href="filelist.txt">fi`:         {`<a href="filelist.txt?key=1">fi`, "asks for something"},
		`<a href="filelist.txt">fil`:        {`<a href="%zz">fil`, "is malformed"},
		`>filelist.txt<`:                    {">other.txt<", `says that it leads to "other.txt"`},
		`>filelist.txt</a>`:                 {">other..&gt;</a>", `says that it leads to "other..>"`},
		`<a href="filelist.txt">file`:       {`<a name="filelist.txt">file`, "leads nowhere"},
		"filelist.txt</a>":                  {"filelist.txt", "a link stands inside of a link"},
		`"GSE1000_RAW.tar">GSE1000_RAW.tar`: {`"filelist.txt">filelist.txt`, "link 3, \"filelist.txt\": is there twice"},
		"  972\n":                           {"  about 972\n", `has the size "about"`},
		"  972\n<a":                         {"  \n<a", "not followed by a date and a size"},
		"2013-01-17 13:59  972":             {"2013-13-17 13:59  972", "not followed by a date and a size"},
		"2013-01-17 13:59    -\n":           {"2013-01-17 13:59  12K\n", `is a folder with a size, "12K"`},
		"  375M":                            {"    -", `has the size "-"`},
		file:                                {file + `<a href="/geo/series/">Parent Directory</a>`, `"/geo/series/": does not lead into the folder`},
		`>Parent Directory<`:                {`>filelist<`, "does not lead into the folder"},
	} {
		t.Run(to[1], func(t *testing.T) {
			if strings.Count(ncbi, was) == 0 {
				t.Fatalf("%q is not in the page", was)
			}
			page := strings.Replace(ncbi, was, to[0], 1)
			if got, err := Parse(folder, []byte(page)); err == nil || !strings.Contains(err.Error(), to[1]) {
				t.Errorf("%q for %q: %v, error %v, want one with %q", to[0], was, got, err, to[1])
			}
		})
	}
}

// TestCut: of a page that was cut anywhere nothing is believed.
func TestCut(t *testing.T) {
	for name, page := range map[string]string{"/geo/series/GSE1nnn/GSE1000/suppl/": ncbi, "/pub/E-MTAB-1/": ebi, "/d/": nginx} {
		for n := range strings.LastIndex(page, "</html>") {
			if got, err := Parse(name, []byte(page[:n])); err == nil {
				t.Fatalf("%s: %v from its first %d bytes", name, got, n)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, page := range []string{ncbi, ebi, nginx, bare} {
		f.Add("/d/", []byte(page))
	}
	f.Add("/geo/series/GSE1nnn/GSE1000/suppl/", []byte(ncbi))
	f.Add("/pub/E-MTAB-1/", []byte(ebi))
	f.Fuzz(func(t *testing.T, folder string, page []byte) {
		entries, err := Parse(folder, page)
		if err != nil && entries != nil {
			t.Error("part of a list with an error")
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if plugins.CheckPath(e.Name) != nil || strings.Contains(e.Name, "/") || seen[e.Name] || e.Size < -1 || e.Folder && e.Size >= 0 {
				t.Errorf("%+v", e)
			}
			seen[e.Name] = true
		}
	})
}
