package main

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"
)

func TestPack(t *testing.T) {
	t.Parallel()
	binary := bytes.Repeat([]byte("binary"), 1000)
	one, err := pack(binary)
	if err != nil {
		t.Fatal(err)
	}
	two, err := pack(binary)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("two zips of the same binary differ (%v)", err)
	}
	r, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode().Perm() != 0o755 {
		t.Fatalf("files %+v", r.File)
	}
	f, err := r.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, binary) {
		t.Errorf("the binary came back changed (%v)", err)
	}
}
