// Module archives and their hashes, made in memory from lists of files.

package main

import (
	stdzip "archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// A file is one file of a module, by its path inside the module.
type file struct {
	name string
	data []byte
}

// file is what zip.Create reads, and its own fs.FileInfo.
var (
	_ zip.File    = file{}
	_ fs.FileInfo = file{}
)

func (f file) Path() string                 { return f.name }
func (f file) Lstat() (fs.FileInfo, error)  { return f, nil }
func (f file) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }
func (f file) Name() string                 { return path.Base(f.name) }
func (f file) Size() int64                  { return int64(len(f.data)) }
func (f file) Mode() fs.FileMode            { return 0o644 }
func (f file) ModTime() time.Time           { return epoch }
func (f file) IsDir() bool                  { return false }
func (f file) Sys() any                     { return nil }

// deflated makes the archive of m as `go mod download` from version control would.
func deflated(m module.Version, files []file) (body, error) {
	list := make([]zip.File, len(files))
	for i, f := range files {
		list[i] = f
	}
	var buf bytes.Buffer
	if err := zip.Create(&buf, m, list); err != nil {
		return body{}, err
	}
	return bodyOf(buf.Bytes()), nil
}

// stored makes the archive of m without compression. The files' bytes are not copied, so that an
// archive of 70 MB whose files share one block costs the memory of that block and no time at start.
func stored(m module.Version, files []file) (body, error) {
	var out segments
	w := stdzip.NewWriter(&out)
	for _, f := range files {
		entry, err := w.CreateRaw(&stdzip.FileHeader{
			Name:               m.Path + "@" + m.Version + "/" + f.name,
			Method:             stdzip.Store,
			CRC32:              crc32.ChecksumIEEE(f.data),
			CompressedSize64:   uint64(len(f.data)),
			UncompressedSize64: uint64(len(f.data)),
		})
		if err != nil {
			return body{}, err
		}
		// With its buffer empty the writer hands large slices on as they are.
		if err := w.Flush(); err != nil {
			return body{}, err
		}
		if _, err := entry.Write(f.data); err != nil {
			return body{}, err
		}
	}
	if err := w.Close(); err != nil {
		return body{}, err
	}
	return bodyOf(out.parts...), nil
}

// hashArchive is dirhash.Hash1 of the module's files. It sums a shared slice only once.
func hashArchive(m module.Version, files []file) string {
	sums := map[*byte]string{}
	lines := make([]string, 0, len(files))
	for _, f := range files {
		lines = append(lines, sumOf(f.data, sums)+"  "+m.Path+"@"+m.Version+"/"+f.name+"\n")
	}
	// Hash1 orders by file name, which every line carries after a sum of constant length.
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return h1(strings.Join(lines, ""))
}

// hashMod is the hash of a go.mod file, as go.sum's "/go.mod" lines have it.
func hashMod(mod []byte) string {
	return h1(fmt.Sprintf("%x  go.mod\n", sha256.Sum256(mod)))
}

func sumOf(data []byte, seen map[*byte]string) string {
	if len(data) < blockSize {
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	if sum, ok := seen[&data[0]]; ok {
		return sum
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	if len(data) == blockSize {
		seen[&data[0]] = sum
	}
	return sum
}

func h1(summary string) string {
	sum := sha256.Sum256([]byte(summary))
	return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
}
