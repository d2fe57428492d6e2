package cas_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// guard is told of what comes in.
type guard func(ctx context.Context, d digest.Digest) error

func (g guard) Admit(ctx context.Context, all ...digest.Digest) error {
	for _, d := range all {
		if err := g(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (g guard) Use(context.Context, ...digest.Digest) error { return nil }

// TestGuard: the guard hears of a blob before it is there, whichever way it comes, and may forbid it.
func TestGuard(t *testing.T) {
	l := openLayout(t, t.TempDir())
	var told []digest.Digest
	forbidden := errors.New("forbidden")
	l.SetGuard(guard(func(ctx context.Context, d digest.Digest) error {
		if _, err := l.Stat(ctx, d); err == nil {
			t.Errorf("blob %s was there before the guard heard of it", d)
		}
		told = append(told, d)
		if d == digest.FromString("bad") {
			return forbidden
		}
		return nil
	}))
	upload := func(text string) error {
		u, err := l.Upload(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.ReadFrom(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		_, _, err = u.Commit(t.Context())
		return errors.Join(err, u.Discard())
	}
	put := func(text string) error {
		_, err := cas.PutBytes(t.Context(), l, []byte(text))
		return err
	}
	many := func(texts ...string) error {
		blobs := map[digest.Digest][]byte{}
		for _, text := range texts {
			blobs[digest.FromString(text)] = []byte(text)
		}
		return l.PutMany(t.Context(), blobs)
	}
	if err := errors.Join(put("one"), upload("two"), many("three")); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{put("bad"), upload("bad"), many("bad")} {
		if !errors.Is(err, forbidden) {
			t.Errorf("error %v, want that of the guard", err)
		}
	}
	if _, err := l.Stat(t.Context(), digest.FromString("bad")); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("the forbidden blob: %v", err)
	}
	want := []digest.Digest{digest.FromString("one"), digest.FromString("two"), digest.FromString("three"), digest.FromString("bad"), digest.FromString("bad"), digest.FromString("bad")}
	if !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}
