package vending

import "container/list"

// recent is a map of bounded size that gives up what was used least recently. It is not safe for concurrent use.
type recent[V any] struct {
	limit int
	order *list.List // of entry[V], most recently used first
	by    map[string]*list.Element
}

type entry[V any] struct {
	key   string
	value V
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{limit: limit, order: list.New(), by: map[string]*list.Element{}}
}

func (r *recent[V]) get(key string) (value V, ok bool) {
	e, ok := r.by[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(e)
	held, _ := e.Value.(entry[V]) // put stores nothing else
	return held.value, true
}

func (r *recent[V]) put(key string, value V) {
	if e, ok := r.by[key]; ok {
		e.Value = entry[V]{key, value}
		r.order.MoveToFront(e)
		return
	}
	r.by[key] = r.order.PushFront(entry[V]{key, value})
	if r.order.Len() > r.limit {
		oldest := r.order.Back()
		if held, ok := r.order.Remove(oldest).(entry[V]); ok {
			delete(r.by, held.key)
		}
	}
}

func (r *recent[V]) remove(key string) {
	if e, ok := r.by[key]; ok {
		r.order.Remove(e)
		delete(r.by, key)
	}
}
