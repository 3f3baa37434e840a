// The bytes of an answer, as a row of segments that several answers may share.

package main

import (
	"errors"
	"io"
)

// A body is written once and read by many requests at a time.
type body struct {
	parts [][]byte
	size  int64
}

func bodyOf(parts ...[]byte) body {
	b := body{parts: parts}
	for _, part := range parts {
		b.size += int64(len(part))
	}
	return b
}

// writeTo sends the bytes from..to without copying them first.
func (b body) writeTo(w io.Writer, from, to int64) error {
	var start int64
	for _, part := range b.parts {
		end := start + int64(len(part))
		lo, hi := max(from, start), min(to, end)
		if lo < hi {
			if _, err := w.Write(part[lo-start : hi-start]); err != nil {
				return err
			}
		}
		start = end
	}
	return nil
}

// bytes joins the segments; for small bodies that are about to be changed.
func (b body) bytes() []byte {
	joined := make([]byte, 0, b.size)
	for _, part := range b.parts {
		joined = append(joined, part...)
	}
	return joined
}

// A bodyReader lets http.ServeContent answer Range requests.
type bodyReader struct {
	body body
	at   int64
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.at >= r.body.size {
		return 0, io.EOF
	}
	start := int64(0)
	for _, part := range r.body.parts {
		if offset := r.at - start; offset < int64(len(part)) {
			n := copy(p, part[offset:])
			r.at += int64(n)
			return n, nil
		}
		start += int64(len(part))
	}
	return 0, io.EOF
}

func (r *bodyReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.body.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a body")
	}
	r.at = offset
	return offset, nil
}

// segments collects what a zip writer writes. Slices of at least keepFrom bytes are kept, not copied:
// their owner promises not to change them.
type segments struct {
	parts [][]byte
}

const keepFrom = 64 << 10

func (s *segments) Write(p []byte) (int, error) {
	if len(p) < keepFrom {
		p = append([]byte(nil), p...)
	}
	s.parts = append(s.parts, p)
	return len(p), nil
}
