package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

// ours begin the names of what this program itself reads, some of which are secrets.
var ours = []string{"CAIRN_", "TEMPORAL_", "DOCKER_", "OTEL_"}

// owner says who a credential is for: a plugin of this program, or the program. "" is anybody.
func (a *app) owner(name string) string {
	if slices.ContainsFunc(ours, func(o string) bool { return strings.HasPrefix(name, o) }) {
		return "cairn itself"
	}
	set, err := a.builtIn()
	if err != nil {
		return "" // it is told elsewhere
	}
	for _, s := range set.Catalog() {
		if s.Asks(name) {
			return fmt.Sprintf("%s/%s", s.Kind, s.Name)
		}
	}
	return ""
}

// credentials says of each credential that a plugin may ask for where it is, or where it is looked for. Not to have one is
// no fault; a file that cannot be understood is.
func (a *app) credentials(set plugins.Set) []finding {
	var names []string
	who := map[string][]string{}
	for _, s := range set.Catalog() {
		for _, name := range s.Secrets {
			names = append(names, name)
			who[name] = append(who[name], fmt.Sprintf("%s/%s", s.Kind, s.Name))
		}
	}
	slices.Sort(names)
	var all []finding
	for _, name := range slices.Compact(names) {
		f := a.credential(name)
		f.Says = fmt.Sprintf("for %s: %s", strings.Join(who[name], ", "), strings.ReplaceAll(f.Says, a.getenv("HOME")+"/", "~/"))
		all = append(all, f)
	}
	return all
}

// example is a host by which the names of the credentials of any host are explained.
const example = "data.example.org"

func (a *app) credential(name string) finding {
	f := finding{Check: "credential " + name, OK: true}
	places := func(name string) string { return strings.Join(a.finder.Places(name), ", ") }
	if start, many := strings.CutSuffix(name, "*"); many {
		for _, name := range hostNames(example) {
			if strings.HasPrefix(name, start) {
				_, wrong := a.finder.Find(name)
				f.Says = fmt.Sprintf("%s for the host %s, looked for in: %s", name, example, places(name))
				return f.with(wrong)
			}
		}
	}
	found, wrong := a.finder.Find(name)
	switch {
	case found.Where == "":
		f.Says = "not found, looked for in: " + places(name)
	case found.Public != "":
		f.Warning, f.Says = true, fmt.Sprintf("found in %s, which others can read: chmod 600 %s", found.Where, found.Public)
	default:
		f.Says = "found in " + found.Where
	}
	return f.with(wrong)
}

// with is the finding with what is wrong.
func (f finding) with(wrong error) finding {
	if wrong != nil {
		f.OK, f.Says = false, fmt.Sprintf("%v; %s", wrong, f.Says)
	}
	return f
}

func hostNames(host string) []string {
	username, password, _ := plugins.HostNames(host)
	return []string{username, password}
}
