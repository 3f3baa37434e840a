// Faults on demand: what a test orders, and which requests it hits.

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// kinds are the faults there are; README.md says what each does.
var kinds = map[string]string{
	"status":     "a status with a body",
	"body":       "200 with a body",
	"html":       "200 with a login page",
	"headers":    "the ordinary answer with further headers",
	"delay":      "the ordinary answer after a delay",
	"delay_body": "a delay in the middle of the body",
	"drip":       "the body in small pieces with a delay between them",
	"chunked":    "the ordinary answer without Content-Length",
	"truncate":   "the whole Content-Length, a part of the body, then the end of the connection",
	"partial":    "206 with a part of the body, unasked",
	"tampered":   "well-formed other bytes",
	"list":       "a list of many lines",
	"redirect":   "a redirect",
	"close":      "the end of the connection before any byte",
	"reset":      "a TCP reset before any byte",
	"reset_body": "a TCP reset in the middle of the body",
	"hang":       "nothing, until the client leaves",
	"hold":       "nothing until the fault is deleted, then the ordinary answer",
	"raw":        "bytes of your own on the connection, then its end",
}

// A fault is an order as it came, and what became of it.
type fault struct {
	ID         int               `json:"id"`
	Path       string            `json:"path"`   // a glob over the decoded path; * matches any characters
	Method     string            `json:"method"` // "" is every method
	Kind       string            `json:"kind"`
	Skip       int               `json:"skip"`  // so many matching requests pass first
	Times      int               `json:"times"` // 0 is for ever
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"` // values are Latin-1: \u00ff is the byte 0xff
	Body       string            `json:"body"`
	BodyBase64 string            `json:"body_base64"` // for bytes that JSON cannot say
	Location   string            `json:"location"`    // {path} stands for the path that was asked
	Delay      duration          `json:"delay"`
	After      int64             `json:"after"` // bytes of the body before it happens; 0 is half of it
	Chunk      int64             `json:"chunk"` // bytes in a drip
	Lines      int               `json:"lines"` // lines of a list

	Hits int `json:"hits"`

	skipped int
	deleted chan struct{}
}

// A duration is a string such as "150ms".
type duration time.Duration

// UnmarshalJSON reads what time.ParseDuration reads.
func (d *duration) UnmarshalJSON(data []byte) error {
	var text string
	err := json.Unmarshal(data, &text)
	if err == nil {
		var parsed time.Duration
		parsed, err = time.ParseDuration(text)
		*d = duration(parsed)
	}
	if err != nil {
		return fmt.Errorf(`delay: expected a duration such as "150ms", got %s`, data)
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// parseFault reads an order and fills in what it leaves out.
func parseFault(r io.Reader) (*fault, error) {
	f := &fault{Path: "*", deleted: make(chan struct{})}
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(f); err != nil {
		return nil, err
	}
	if _, ok := kinds[f.Kind]; !ok {
		names := strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
		return nil, fmt.Errorf("kind: expected one of %s, got %q", names, f.Kind)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 999) {
		return nil, fmt.Errorf("status: expected 200 to 999, got %d", f.Status)
	}
	if f.Kind == "redirect" && f.Location == "" {
		return nil, errors.New(`location: expected where to, such as "/__signed{path}?Signature=x", got ""`)
	}
	if f.BodyBase64 != "" {
		data, err := base64.StdEncoding.DecodeString(f.BodyBase64)
		if err != nil {
			return nil, fmt.Errorf("body_base64: expected base64: %w", err)
		}
		f.Body = string(data)
	}
	if f.Skip < 0 || f.Times < 0 || f.After < 0 || f.Chunk < 0 || f.Lines < 0 || f.Delay < 0 {
		return nil, errors.New("skip, times, after, chunk, lines, delay: expected 0 or more, got a negative number")
	}
	return f, nil
}

// faults are the orders that stand, in the order they came.
type faults struct {
	mu   sync.Mutex
	next int
	list []*fault
}

func (f *faults) add(order *fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	order.ID = f.next
	f.list = append(f.list, order)
	return order.ID
}

// remove deletes one order, or all of them for id 0, and lets go what they hold.
func (f *faults) remove(id int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.list[:0:0]
	for _, order := range f.list {
		if id == 0 || order.ID == id {
			close(order.deleted)
		} else {
			kept = append(kept, order)
		}
	}
	removed := len(f.list) - len(kept)
	f.list = kept
	return removed
}

// take finds the first order that hits this request, and counts it.
func (f *faults) take(method, path string) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, order := range f.list {
		if (order.Method != "" && order.Method != method) || !glob(order.Path, path) {
			continue
		}
		if order.skipped < order.Skip {
			order.skipped++
			continue
		}
		if order.Times > 0 && order.Hits >= order.Times {
			continue
		}
		order.Hits++
		return order
	}
	return nil
}

func (f *faults) json() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return json.Marshal(append([]*fault{}, f.list...))
}

// glob reports whether text matches pattern, in which * stands for any characters, slashes too.
func glob(pattern, text string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, more, another := strings.Cut(rest, "*")
		if !another {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], more
	}
}
