package kube

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Limits of the API server on a condition (metav1.Condition).
const maxMessage = 32768

// Conditions collects the conditions that one visit of a controller found, and
// carries the time of the last transition over from those that were there
// before: it moves only when a status changes, so that conditions do not flap.
type Conditions struct {
	old        []metav1.Condition
	new        []metav1.Condition
	generation int64
	now        metav1.Time
}

// NewConditions starts from the conditions that a resource has. Those that are set
// from now on are stamped with the generation that they were judged for and, where
// their status changes, with the time.
func NewConditions(old []metav1.Condition, generation int64, now time.Time) *Conditions {
	return &Conditions{old: old, generation: generation, now: metav1.NewTime(now.Truncate(time.Second))}
}

// Set states a condition. The last statement about a type wins.
func (c *Conditions) Set(kind string, status metav1.ConditionStatus, reason, message string) {
	next := metav1.Condition{
		Type:               kind,
		Status:             status,
		ObservedGeneration: c.generation,
		LastTransitionTime: c.now,
		Reason:             reason,
		Message:            Clip(message, maxMessage),
	}
	if before := meta.FindStatusCondition(c.old, kind); before != nil && before.Status == status {
		next.LastTransitionTime = before.LastTransitionTime
	}
	if i := slices.IndexFunc(c.new, func(have metav1.Condition) bool { return have.Type == kind }); i >= 0 {
		c.new[i] = next
		return
	}
	c.new = append(c.new, next)
}

// Keep states a condition as it was, for the new generation, or as Unknown with
// the given reason and message when it was not there.
func (c *Conditions) Keep(kind, reason, message string) {
	if before := meta.FindStatusCondition(c.old, kind); before != nil {
		c.Set(kind, before.Status, before.Reason, before.Message)
		return
	}
	c.Set(kind, metav1.ConditionUnknown, reason, message)
}

// List returns the conditions in the order in which they were first set.
// Conditions that were there before and were not set again are left out.
func (c *Conditions) List() []metav1.Condition { return slices.Clone(c.new) }

// Clip cuts s to at most n bytes, between two characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
