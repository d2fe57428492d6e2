package manifests

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Size is a number of bytes. A manifest writes it as publishers do, in units of 1000: "163.6 GB", or "162827155 B".
type Size int64

// maxSize is the largest number that every reader of JSON reads as it stands.
const maxSize = 1<<53 - 1

// sizeForm is the one form: at most three decimals, a blank, a unit; a number without a unit says nothing.
var sizeForm = regexp.MustCompile(`^(?:[1-9][0-9]{0,15}|0\.[0-9]{1,3}|[1-9][0-9]{0,15}\.[0-9]{1,3}) (?:B|kB|MB|GB|TB)$`)

var sizeUnits = map[string]int64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

var errSize = errors.New(`want a number and a unit of B, kB, MB, GB or TB, which count in thousands, such as 163.6 GB or 162827155 B`)

// ParseSize reads a size in its one form.
func ParseSize(text string) (Size, error) {
	if !sizeForm.MatchString(text) {
		return 0, errSize
	}
	number, unit, _ := strings.Cut(text, " ")
	n, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, errSize
	}
	n.Mul(n, new(big.Rat).SetInt64(sizeUnits[unit]))
	switch {
	case n.Sign() == 0:
		return 0, errors.New("it is zero; leave it out if it is not known")
	case !n.IsInt():
		return 0, errors.New("there is no part of a byte")
	case n.Num().Cmp(big.NewInt(maxSize)) > 0:
		return 0, fmt.Errorf("at most %d bytes can be written", int64(maxSize))
	}
	return Size(n.Num().Int64()), nil
}

// size reads what a dataset says of how much is to be fetched, 0 if it says nothing.
func (r *reader) size(f fields) Size {
	n := f.get("size")
	if n == nil {
		return 0
	}
	if !isText(n) {
		r.fail(n, f.at("size"), "%v, have %s", errSize, describe(n))
		return 0
	}
	v, err := ParseSize(n.Value)
	if err != nil {
		r.fail(n, f.at("size"), "%v, have %q", err, shorten(n.Value))
	}
	return v
}
