// The HTTP server: the module proxy and the checksum database.

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb"
)

// A server answers every request of the origin.
type server struct {
	catalog *catalog
	sums    *checksums
	sumdb   http.Handler
	faults  faults
	log     *requestLog
	base    string        // the path that stands before everything but control
	delay   time.Duration // before every answer, to play an origin that is far away
	closing chan struct{} // closed when the origin ends
}

func newServer(c *catalog, keep int, base string, delay time.Duration) *server {
	s := &server{
		catalog: c, sums: c.sums, log: newRequestLog(keep),
		base: strings.TrimSuffix(base, "/"), delay: delay, closing: make(chan struct{}),
	}
	s.sumdb = http.StripPrefix("/sumdb/"+c.sums.name, sumdb.NewServer(c.sums))
	return s
}

// ServeHTTP keeps control apart from what is logged, delayed and faulted.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.control(w, r) {
		return
	}
	entry := s.log.begin(r)
	out := &recorder{ResponseWriter: w, status: http.StatusOK}
	hit := 0
	defer func() {
		trouble := recover()
		out.aborted = out.aborted || trouble != nil
		s.log.end(entry, out, hit)
		if trouble != nil {
			panic(trouble)
		}
	}()
	s.pause(r, s.delay)
	fault := s.faults.take(r.Method, r.URL.Path)
	path, honest := s.resolve(r)
	if fault != nil {
		hit = fault.ID
		s.misbehave(out, r, fault, path, honest)
		return
	}
	s.ordinary(out, r, path, honest)
}

// signed is a second place where everything can be had, as archives are in a bucket: with a signature.
const signed = "/__signed"

// resolve finds the path below the base, and its answer.
func (s *server) resolve(r *http.Request) (string, *answer) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, signed); ok {
		if r.URL.Query().Get("Signature") == "" {
			return path, nil
		}
		path = rest
	}
	path, ok := strings.CutPrefix(path, s.base)
	if !ok {
		return r.URL.Path, nil
	}
	return path, s.find(r, path)
}

func (s *server) find(r *http.Request, path string) *answer {
	rest, ok := strings.CutPrefix(path, "/sumdb/"+s.sums.name+"/")
	if !ok {
		return s.catalog.find(path)
	}
	if rest == "supported" {
		return mutable("text/plain; charset=utf-8", nil)
	}
	// The x/mod server writes to a ResponseWriter; what it says becomes an answer like any other.
	recording := &recording{header: http.Header{}, status: http.StatusOK}
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = path, ""
	s.sumdb.ServeHTTP(recording, inner)
	if recording.status != http.StatusOK {
		return nil
	}
	cacheControl := immutableFor
	if rest == "latest" || strings.Contains(rest, ".p/") {
		cacheControl = mutableFor
	}
	return &answer{recording.header.Get("Content-Type"), cacheControl, etagOf(recording.data), bodyOf(recording.data)}
}

// ordinary answers as a module proxy should.
func (s *server) ordinary(w *recorder, r *http.Request, path string, honest *answer) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.plain(r, http.StatusMethodNotAllowed, "method not allowed: "+r.Method)
		return
	}
	if honest == nil {
		header.Set("Cache-Control", mutableFor)
		status, why := refusal(path)
		w.plain(r, status, why)
		return
	}
	setDefault(header, "Content-Type", honest.contentType)
	setDefault(header, "Cache-Control", honest.cacheControl)
	setDefault(header, "ETag", honest.etag)
	if r.Header.Get("Range") != "" {
		http.ServeContent(w, r, "", time.Time{}, &bodyReader{body: honest.body})
		return
	}
	if match := r.Header.Get("If-None-Match"); match != "" && honest.etag != "" && strings.Contains(match, honest.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.send(r, honest.body, http.StatusOK)
}

// refusal is the status and the words for what the origin does not have.
func refusal(path string) (int, string) {
	if strings.HasPrefix(path, signed) {
		return http.StatusForbidden, "the signature is missing or has expired"
	}
	if rest, ok := strings.CutPrefix(path, "/sumdb/"); ok {
		return http.StatusNotFound, "not found: " + rest
	}
	name, file, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/@")
	if !ok {
		return http.StatusNotFound, "not found: expected a path of a module proxy, got " + strconv.Quote(path)
	}
	return http.StatusNotFound, fmt.Sprintf("not found: %s: the origin has no @%s", name, file)
}

func setDefault(header http.Header, name, value string) {
	if value != "" && header.Get(name) == "" {
		header.Set(name, value)
	}
}

// A recorder passes an answer on and remembers how it went.
type recorder struct {
	http.ResponseWriter
	status  int
	written int64
	aborted bool
}

// WriteHeader remembers the status.
func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write counts, and notices when the client is gone.
func (w *recorder) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.written += int64(n)
	w.aborted = w.aborted || (err != nil && err != http.ErrBodyNotAllowed)
	return n, err
}

// send writes a whole body with its length.
func (w *recorder) send(r *http.Request, b body, status int) {
	w.Header().Set("Content-Length", strconv.FormatInt(b.size, 10))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.part(b, 0, b.size)
	}
}

// part writes a part of a body; a failure shows in aborted.
func (w *recorder) part(b body, from, to int64) { _ = b.writeTo(w, from, to) }

func (w *recorder) flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *recorder) plain(r *http.Request, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.send(r, bodyOf([]byte(text+"\n")), status)
}

// A recording is a ResponseWriter in memory.
type recording struct {
	header http.Header
	status int
	data   []byte
}

func (r *recording) Header() http.Header    { return r.header }
func (r *recording) WriteHeader(status int) { r.status = status }
func (r *recording) Write(p []byte) (int, error) {
	r.data = append(r.data, p...)
	return len(p), nil
}
