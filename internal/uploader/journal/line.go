package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// record is one line: the checksum of the JSON text in eight hexadecimal digits, a blank, and the JSON text.
type record struct {
	Version    int     `json:"version,omitempty"` // of the first line
	Upload     *Upload `json:"upload,omitempty"`
	ID         string  `json:"id,omitempty"`
	Part       *Part   `json:"part,omitempty"`
	Completing bool    `json:"completing,omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encode(r record) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // no record holds what JSON cannot: numbers, texts and UTC times of our own
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, castagnoli), text)
}

func decode(line []byte) (record, error) {
	digits, text, found := bytes.Cut(line, []byte(" "))
	sum, err := strconv.ParseUint(string(digits), 16, 32)
	if !found || err != nil || uint32(sum) != crc32.Checksum(text, castagnoli) {
		return record{}, errors.New("a line is damaged")
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, errors.New("a line is damaged")
	}
	return r, nil
}

// whole is the length of all lines up to the last newline.
func whole(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }

// parse reads a journal. What follows the last newline was cut off by a crash and does not count; any other damage is
// an error.
func parse(text []byte) (*State, error) {
	text = text[:whole(text)]
	if len(text) == 0 {
		return nil, errors.New("it is empty")
	}
	s := &State{Parts: map[int32]Part{}}
	first := true
	for line := range bytes.Lines(text) {
		r, err := decode(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return nil, err
		}
		if first {
			if r.Version != version || r.Upload == nil || r.Upload.PartSize <= 0 || r.Upload.File.Size < 0 {
				return nil, errors.New("its first line is not that of a journal")
			}
			s.Upload = *r.Upload
			first = false
		}
		if r.ID != "" {
			s.ID = r.ID
		}
		if r.Part != nil && r.Part.Number > 0 {
			s.Parts[r.Part.Number] = *r.Part
		}
		s.Completing = s.Completing || r.Completing
	}
	return s, nil
}
