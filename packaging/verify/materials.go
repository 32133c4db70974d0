package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// materials is what is read of a bill of materials: https://cyclonedx.org/docs/1.6/json/
type materials struct {
	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Serial      string `json:"serialNumber"`
	Metadata    struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

type component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	URL     string `json:"purl"` // https://github.com/package-url/purl-spec
}

// checkMaterials wants a bill of exactly the modules that the binary was built from, the standard library among them, and
// nothing that would be another in a second build.
func (r *release) checkMaterials(p program, platform string, info *debug.BuildInfo) error {
	content, err := r.read(r.materials(p, platform))
	if err != nil {
		return err
	}
	var bill materials
	if err := json.Unmarshal(content, &bill); err != nil {
		return err
	}
	var errs []error
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion == "" {
		errs = append(errs, fmt.Errorf("format %q, version %q, want CycloneDX", bill.BOMFormat, bill.SpecVersion))
	}
	if bill.Serial != "" || bill.Metadata.Timestamp != "" {
		errs = append(errs, errors.New("a serial number or a time is in it"))
	}
	if got := bill.Metadata.Component; got.Name != module || got.Version != "v"+r.version {
		errs = append(errs, fmt.Errorf("it is of %s %s, want %s v%s", got.Name, got.Version, module, r.version))
	}
	want := map[string]bool{"std@" + strings.TrimPrefix(info.GoVersion, "go"): true}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		want[dependency.Path+"@"+dependency.Version] = true
	}
	for _, c := range bill.Components {
		name := c.Name + "@" + c.Version
		if c.Name == "std" {
			name = "std@" + strings.TrimLeft(c.Version, "gov")
		}
		if !want[name] {
			errs = append(errs, fmt.Errorf("%s is not in the binary", name))
		}
		if !strings.HasPrefix(c.URL, "pkg:golang/"+c.Name+"@") {
			errs = append(errs, fmt.Errorf("%s is called %q", name, c.URL))
		}
		delete(want, name)
	}
	missing := make([]string, 0, len(want))
	for name := range want {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	for _, name := range missing {
		errs = append(errs, fmt.Errorf("%s is in the binary and not on the bill", name))
	}
	return errors.Join(errs...)
}
