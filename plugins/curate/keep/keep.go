// Package keep holds on to what was costly to make and is asked for several times in a row, such as a large image of which many samples
// are cut, so that it is made once and not once a sample.
package keep

import (
	"slices"
	"sync"
)

// Last keeps the last few values that were asked for. Its zero value keeps two. It may be used from many goroutines.
type Last[V any] struct {
	Most int // values that are kept, 0 means 2; those that somebody is at work with come on top

	mu    sync.Mutex
	made  map[string]*value[V]
	order []string // of the last use
}

type value[V any] struct {
	once sync.Once
	v    V
	err  error
}

// Get gives the value of that name, and makes it if it is not there. Who asks for one that is being made waits for it. An error is kept
// as a value is.
func (l *Last[V]) Get(name string, make func() (V, error)) (V, error) {
	v := l.find(name)
	v.once.Do(func() { v.v, v.err = make() })
	return v.v, v.err
}

func (l *Last[V]) find(name string) *value[V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = map[string]*value[V]{}
	}
	if i := slices.Index(l.order, name); i >= 0 {
		l.order = slices.Delete(l.order, i, i+1)
	} else {
		l.made[name] = &value[V]{}
	}
	l.order = append(l.order, name)
	most := l.Most
	if most == 0 {
		most = 2
	}
	if len(l.order) > most {
		delete(l.made, l.order[0])
		l.order = slices.Delete(l.order, 0, 1)
	}
	return l.made[name]
}
