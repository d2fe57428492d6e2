package ecg

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Labels maps SNOMED CT codes to classes. The key "*" stands for every code that is not listed; without it
// such codes are passed over. In JSON it is an object, or the name of a built-in map; written out it is always the object, so
// that the map's content is part of an action's identity.
type Labels map[string]string

const anyCode = "*"

// UnmarshalJSON replaces the map: what is given is not merged into a default.
func (l *Labels) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		if name != "climb-7" {
			return fmt.Errorf("labels %q: the built-in map is climb-7", name)
		}
		*l = Climb7()
		return nil
	}
	m := map[string]string{}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("labels: want a map from SNOMED code to class: %w", err)
	}
	*l = m
	return nil
}

// classes are the distinct classes, sorted.
func (l Labels) classes() []string {
	return slices.Compact(slices.Sorted(maps.Values(l)))
}

// of gives the sorted classes of the codes.
func (l Labels) of(codes []string) []string {
	var out []string
	for _, c := range codes {
		class, ok := l[c]
		if !ok {
			class, ok = l[anyCode]
		}
		if ok {
			out = append(out, class)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Climb7 is the map "climb-7": the seven classes that CLIMB gives its four ECG sets. The classes follow the diagnostic
// superclasses of PTB-XL (Wagner et al. 2020) and a class of its own for atrial fibrillation and flutter;
// the codes are those of the PhysioNet/CinC Challenge 2021. Normal is the code for sinus rhythm, which publishers also
// give beside a diagnosis: a record then has both labels.
func Climb7() Labels {
	l := Labels{anyCode: "Other"}
	for class, codes := range map[string]string{
		"Normal": "426783006",
		"AFib":   "164889003 164890007 195080001",
		"CD": "6374002 27885002 54016002 59118001 74390002 82226007 164909002 164947007 195042002 195060002 233917008 251120003 " +
			"270492004 426183003 445118002 445211001 698252002 713426002 713427006 733534002",
		"HYP":  "67741000119109 89792004 164873001 195126007 253339007 253352002 266249003 446358003 446813000",
		"MI":   "54329005 57054005 164865005 164867002",
		"STTC": "55930002 59931005 111975006 164861001 164930006 164931005 164934002 413444003 413844008 425419005 425623009 426434006 428750005 429622005",
	} {
		for _, c := range strings.Fields(codes) {
			l[c] = class
		}
	}
	return l
}
