package frontier

import (
	"container/heap"
	"time"
)

// simEvents is what is to happen, by its time; of one time, in the order in which it was
// planned. There is no other clock.
type simEvents struct {
	heap eventHeap
	now  time.Time
	n    int
}

type simEvent struct {
	at time.Time
	n  int
	do func()
}

func (e *simEvents) at(t time.Time, do func()) {
	if t.Before(e.now) {
		t = e.now
	}
	e.n++
	heap.Push(&e.heap, simEvent{t, e.n, do})
}

func (e *simEvents) after(d time.Duration, do func()) { e.at(e.now.Add(d), do) }

// next lets the next thing happen, and returns false when there is none.
func (e *simEvents) next() bool {
	if len(e.heap) == 0 {
		return false
	}
	event := heap.Pop(&e.heap).(simEvent)
	e.now = event.at
	event.do()
	return true
}

// eventHeap implements heap.Interface.
type eventHeap []simEvent

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].n < h[j].n
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *eventHeap) Push(x any) { *h = append(*h, x.(simEvent)) }

// Pop implements heap.Interface.
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = simEvent{}
	*h = old[:len(old)-1]
	return last
}
