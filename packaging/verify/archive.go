package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/blakesmith/ar"
	rpmutils "github.com/sassoftware/go-rpmutils"
	"github.com/ulikunitz/xz"
)

// entry is a file of an archive or package. Directories and links are left out.
type entry struct {
	mode    fs.FileMode
	content []byte
}

// entries are an archive's files by their path.
type entries map[string]entry

// add puts a file in, and refuses names that would leave the directory that somebody unpacks into.
func (e entries) add(name string, mode fs.FileMode, content io.Reader) error {
	if name != path.Clean(name) || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, `\`) {
		return fmt.Errorf("path %q", name)
	}
	if _, twice := e[name]; twice {
		return fmt.Errorf("%s is in it twice", name)
	}
	all, err := io.ReadAll(content)
	e[name] = entry{mode.Perm(), all}
	return err
}

// program is the executable of that name.
func (e entries) program(name string) ([]byte, error) {
	found, ok := e[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("no %s in it", name)
	case found.mode != 0o755:
		return nil, fmt.Errorf("%s has mode %04o, want 0755", name, found.mode)
	}
	return found.content, nil
}

// holds wants the files, and no others but those below the directories.
func (e entries) holds(files, directories []string) error {
	var errs []error
	for _, name := range files {
		if _, ok := e[name]; !ok {
			errs = append(errs, fmt.Errorf("no %s in it", name))
		}
	}
	for name := range e {
		below := func(directory string) bool { return strings.HasPrefix(name, directory) }
		if !slices.Contains(files, name) && !slices.ContainsFunc(directories, below) {
			errs = append(errs, fmt.Errorf("%s does not belong into it", name))
		}
	}
	return errors.Join(errs...)
}

// open reads an archive, by its name's ending.
func open(name string, content []byte) (entries, error) {
	if strings.HasSuffix(name, ".zip") {
		return unzip(content)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return untar(unpacked)
}

func unzip(content []byte) (entries, error) {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	found := entries{}
	for _, file := range archive.File {
		if !file.Mode().IsRegular() {
			continue
		}
		unpacked, err := file.Open()
		if err != nil {
			return nil, err
		}
		if err := errors.Join(found.add(file.Name, file.Mode(), unpacked), unpacked.Close()); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func untar(content io.Reader) (entries, error) {
	found := entries{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := found.add(strings.TrimPrefix(header.Name, "./"), header.FileInfo().Mode(), archive); err != nil {
			return nil, err
		}
	}
}

// undeb reads a Debian package: an ar archive of two tar archives, the fields of the one's file control and the files of
// the other. https://man7.org/linux/man-pages/man5/deb.5.html
func undeb(content []byte) (control string, files entries, err error) {
	for archive := ar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", nil, err
		}
		switch name := strings.TrimSuffix(header.Name, "/"); {
		case strings.HasPrefix(name, "control.tar"):
			about, err := unpack(name, archive)
			if err != nil {
				return "", nil, fmt.Errorf("%s: %w", name, err)
			}
			control = string(about["control"].content)
		case strings.HasPrefix(name, "data.tar"):
			if files, err = unpack(name, archive); err != nil {
				return "", nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if control == "" || files == nil {
		return "", nil, errors.New("no control or no data in it")
	}
	return control, files, nil
}

// unpack reads a tar archive that is compressed as its name says.
func unpack(name string, content io.Reader) (entries, error) {
	var unpacked io.Reader
	var err error
	switch path.Ext(name) {
	case ".gz":
		unpacked, err = gzip.NewReader(content)
	case ".xz":
		unpacked, err = xz.NewReader(content)
	default:
		err = errors.New("compressed in a way that older systems do not know")
	}
	if err != nil {
		return nil, err
	}
	return untar(unpacked)
}

// unrpm reads an RPM package: its name, version, release and processor, and its files.
func unrpm(content []byte) (*rpmutils.NEVRA, entries, error) {
	pkg, err := rpmutils.ReadRpm(bytes.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	about, err := pkg.Header.GetNEVRA()
	if err != nil {
		return nil, nil, err
	}
	payload, err := pkg.PayloadReaderExtended()
	if err != nil {
		return nil, nil, err
	}
	found := entries{}
	for {
		file, err := payload.Next()
		if errors.Is(err, io.EOF) {
			return about, found, nil
		}
		if err != nil {
			return nil, nil, err
		}
		const kinds, regular = 0o170000, 0o100000 // of stat(2)
		if file.Mode()&kinds != regular {
			continue
		}
		if err := found.add(strings.TrimPrefix(strings.TrimPrefix(file.Name(), "."), "/"), fs.FileMode(file.Mode()&0o777), payload); err != nil { //nolint:gosec // nine bits
			return nil, nil, err
		}
	}
}
