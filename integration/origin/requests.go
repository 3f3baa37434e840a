// The log of what was asked, and the counts.

package main

import (
	"net/http"
	"sync"
	"time"
)

// A request is one entry of the log. What happened later is filled in when the answer ends.
type request struct {
	Sequence   int64       `json:"sequence"`
	TimeMicros int64       `json:"time_us"` // since the origin started
	Method     string      `json:"method"`
	Path       string      `json:"path"` // decoded
	Raw        string      `json:"raw"`  // as it stood on the wire, with the query
	Proto      string      `json:"proto"`
	TLS        bool        `json:"tls"`
	ClientName string      `json:"client_name,omitempty"` // subject of the client's certificate
	Host       string      `json:"host"`
	Remote     string      `json:"remote"`
	Headers    http.Header `json:"headers"`

	Done    bool  `json:"done"`
	Status  int   `json:"status"`
	Bytes   int64 `json:"bytes"`
	Aborted bool  `json:"aborted"` // the body did not reach its end
	Fault   int   `json:"fault"`   // the order that hit it, 0 for none
}

// stats are counts since the start or the last DELETE /__requests.
type stats struct {
	Requests    int64            `json:"requests"`
	InFlight    int64            `json:"in_flight"`
	MaxInFlight int64            `json:"max_in_flight"`
	Connections int64            `json:"connections"`
	Bytes       int64            `json:"bytes"`
	Aborted     int64            `json:"aborted"`
	Faulted     int64            `json:"faulted"`
	Unlogged    int64            `json:"unlogged"` // older than the log keeps
	ByStatus    map[int]int64    `json:"by_status"`
	ByPath      map[string]int64 `json:"by_path"` // the first maxPaths distinct ones
}

const maxPaths = 20_000

// A requestLog keeps the last requests and counts all of them.
type requestLog struct {
	start time.Time
	keep  int

	mu      sync.Mutex
	next    int64
	entries []*request
	counts  stats
	changed chan struct{} // closed and replaced when a request begins or ends and somebody waits
	waiting int
}

func newRequestLog(keep int) *requestLog {
	l := &requestLog{start: time.Now(), keep: keep, changed: make(chan struct{})}
	l.counts = newStats()
	return l
}

func newStats() stats {
	return stats{ByStatus: map[int]int64{}, ByPath: map[string]int64{}}
}

// begin logs a request. Its header map is kept, not copied: nobody changes it.
func (l *requestLog) begin(r *http.Request) *request {
	entry := &request{
		Method: r.Method, Path: r.URL.Path, Raw: r.RequestURI, Proto: r.Proto, TLS: r.TLS != nil,
		Host: r.Host, Remote: r.RemoteAddr, Headers: r.Header,
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		entry.ClientName = r.TLS.PeerCertificates[0].Subject.String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	entry.Sequence = l.next
	entry.TimeMicros = time.Since(l.start).Microseconds()
	if len(l.entries) < l.keep {
		l.entries = append(l.entries, entry)
	} else {
		l.counts.Unlogged++
		if l.keep > 0 {
			l.entries = append(l.entries[1:], entry)
		}
	}
	l.counts.Requests++
	l.counts.InFlight++
	l.counts.MaxInFlight = max(l.counts.MaxInFlight, l.counts.InFlight)
	if _, known := l.counts.ByPath[entry.Path]; known || len(l.counts.ByPath) < maxPaths {
		l.counts.ByPath[entry.Path]++
	}
	l.wake()
	return entry
}

// end fills in how the answer went.
func (l *requestLog) end(entry *request, w *recorder, fault int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.Done, entry.Status, entry.Bytes = true, w.status, w.written
	entry.Aborted, entry.Fault = w.aborted, fault
	l.counts.InFlight--
	l.counts.Bytes += w.written
	l.counts.ByStatus[w.status]++
	if w.aborted {
		l.counts.Aborted++
	}
	if fault != 0 {
		l.counts.Faulted++
	}
	l.wake()
}

func (l *requestLog) wake() {
	if l.waiting > 0 {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// matching returns copies of the entries whose decoded path matches pattern.
func (l *requestLog) matching(pattern string, doneOnly bool) []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []request{}
	for _, entry := range l.entries {
		if glob(pattern, entry.Path) && (entry.Done || !doneOnly) {
			found = append(found, *entry)
		}
	}
	return found
}

// await is matching, once it has found so many or the time is over.
func (l *requestLog) await(pattern string, doneOnly bool, atLeast int, until <-chan time.Time) []request {
	l.mu.Lock()
	l.waiting++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.waiting--
		l.mu.Unlock()
	}()
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		found := l.matching(pattern, doneOnly)
		if len(found) >= atLeast {
			return found
		}
		select {
		case <-changed:
		case <-until:
			return found
		}
	}
}

// clear forgets the entries and the counts; what is in flight stays in flight.
func (l *requestLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight := l.counts.InFlight
	l.entries, l.counts = nil, newStats()
	l.counts.InFlight, l.counts.MaxInFlight = inFlight, inFlight
}

func (l *requestLog) connected() {
	l.mu.Lock()
	l.counts.Connections++
	l.mu.Unlock()
}

// snapshot copies the counts.
func (l *requestLog) snapshot() stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := l.counts
	copied.ByStatus, copied.ByPath = map[int]int64{}, map[string]int64{}
	for status, n := range l.counts.ByStatus {
		copied.ByStatus[status] = n
	}
	for path, n := range l.counts.ByPath {
		copied.ByPath[path] = n
	}
	return copied
}
