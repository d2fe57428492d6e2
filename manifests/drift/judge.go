package drift

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/plan"
)

// Judge says who disagrees about a fetch.
func (f Fetch) Judge() Verdict {
	same := f.Known && slices.Equal(f.Was, f.Is)
	moved := slices.IndexFunc(f.Edits, address)
	switch {
	case f.Edited && same && moved >= 0:
		return say(VersionKeptSum, "%s, and the files are still those of the lock: the new version has the same data, or the address leads to the old one", change(f.Edits[moved]))
	case f.Edited && same:
		return Verdict{}
	case f.Edited && len(f.Edits) > 0 && f.Edits[0].Component == "source":
		return say(ManifestChanged, "the local source has other files than when the lock was written")
	case f.Edited && len(f.Edits) > 0:
		return say(ManifestChanged, "%s since the lock was written, so other files are what is asked for", change(f.Edits[0]))
	case f.Edited:
		return say(ManifestChanged, "the step is another one than when the lock was written, so its result is not held against the lock")
	case same:
		return say(Repacked, "the files are those of the lock; only how they are packed has changed")
	case f.List != "":
		return say(PublisherChanged, "the files agree with the publisher's checksum list %s: the publisher has changed both since the lock was written", f.List)
	}
	return say(NoList, "the publisher gives no checksum list: nothing but the lock shows that the files were others")
}

// Judge says who disagrees about a file.
func (f File) Judge() Verdict {
	moved := slices.IndexFunc(f.Edits, address)
	switch {
	case f.Varies:
		return say(Damaged, "each transfer of %s gave other bytes: something on the way damages them; %s", f.Path, f.agreement())
	case moved >= 0 && f.OldSum:
		return say(URLKeptSum, "%s, but the checksum beside it, %s, is still the one of the lock, of the earlier address: take the new file's from its publisher", change(f.Edits[moved]), f.manifestSum())
	case f.Said != "" && (f.Lock == f.Said || f.Lock == "" && f.OldSum):
		return say(PublisherChanged, "lock and manifest have %s for %s, the publisher's checksum list %s now has %s: the publisher has changed it", short(f.Said), f.Path, f.List, f.want())
	case f.Said != "":
		return say(ListDiffers, "the manifest has %s for %s, the publisher's checksum list %s has %s", short(f.Said), f.Path, f.List, f.want())
	case f.List == "":
		return say(NoList, "%s gives %s for %s, the manifest has %s; the publisher gives no checksum list that could say which is right", host(f.Ref), f.got(), f.Path, f.want())
	case host(f.Ref) != host(f.List):
		return say(MirrorDiffers, "%s gives %s for %s, the list of %s has %s; %s", host(f.Ref), f.got(), f.Path, host(f.List), f.want(), f.side())
	case f.Lock == "" || f.Lock != f.Want && f.Lock != f.Got:
		return say(ListDiffers, "the publisher's checksum list has %s for %s, and its server gives %s; %s", f.want(), f.Path, f.got(), f.side())
	case f.Lock == f.Want:
		return say(Damaged, "lock and publisher's checksum list agree on %s for %s, and twice %s was received: the publisher's server, or something on the way, damages it", f.want(), f.Path, f.got())
	}
	return say(ListChanged, "lock and received bytes agree on %s for %s, the publisher's checksum list %s now has %s", short(f.Lock), f.Path, f.List, f.want())
}

func say(c Code, format string, args ...any) Verdict { return Verdict{c, fmt.Sprintf(format, args...)} }

// agreement says whether lock and list say the same.
func (f File) agreement() string {
	switch f.Lock {
	case "":
		return "what the lock has for it is not known here"
	case f.Want:
		return "lock and checksum agree"
	}
	if f.Want == "" {
		return "the lock's file cannot be held against a checksum of another kind"
	}
	return "the lock has other bytes than the checksum"
}

// side says with whom the lock is.
func (f File) side() string {
	switch f.Lock {
	case "":
		return "what the lock has for it is not known here"
	case f.Want:
		return "the lock is with the list"
	case f.Got:
		return "the lock is with what was received: the list has changed since"
	}
	if f.Want == "" {
		return "the lock has other bytes than were received, which cannot be held against a checksum of another kind"
	}
	return "the lock has a third: " + short(f.Lock)
}

// want is what the list says, or else the manifest.
func (f File) want() string {
	if f.Want == "" {
		return short(f.Sum)
	}
	return short(f.Want)
}

// manifestSum is the checksum that stands in the manifest.
func (f File) manifestSum() string {
	if f.Said != "" {
		return short(f.Said)
	}
	return f.want()
}

func (f File) got() string {
	if f.Got == "" {
		return "a file of another size"
	}
	return short(f.Got)
}

// address says whether an edit is about where the files come from, or which version of them is meant.
func address(c plan.Cause) bool {
	name, ok := strings.CutPrefix(c.Component, "params.")
	if !ok {
		return false
	}
	name = name[strings.LastIndex(name, ".")+1:]
	return slices.Contains([]string{"version", "release", "revision", "ref", "tag", "doi", "url", "base", "sums"}, name) || strings.Contains(c.Was+c.Is, "://")
}

const longest = 100 // bytes of a value in a text, which stays in a history

// change says what became of a component. An address may hold a secret, so its query is left out, and what is neither
// a word nor a number is not shown at all.
func change(c plan.Cause) string {
	name, was, is := "the step's "+c.Component, value(c.Was), value(c.Is)
	if param, ok := strings.CutPrefix(c.Component, "params."); ok {
		name = "the manifest's " + param
	}
	if was == "" || is == "" {
		return name + " changed"
	}
	return fmt.Sprintf("%s changed from %s to %s", name, was, is)
}

// value is a value as a text may show it, "" if it may not.
func value(s string) string {
	if text := ""; json.Unmarshal([]byte(s), &text) == nil {
		s = text
	}
	if s == "" {
		return "nothing"
	}
	u, err := url.Parse(s)
	if err != nil || strings.ContainsAny(s[:1], "[{") {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	if s = u.String(); len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// short is a digest that a person can tell from another.
func short[D ~string](d D) string {
	const digits = len("sha256:") + 12
	return string(d)[:min(len(d), digits)]
}

// host is who is asked for an address.
func host(ref string) string {
	if u, err := url.Parse(ref); err == nil && u.Host != "" {
		return strings.ToLower(u.Host)
	}
	return "the source"
}
