// Package buildinfo names the build that a program is of: its version, which the linker sets in each command, and the
// commit, which the go command records in the binary.
package buildinfo

import "runtime/debug"

// Line is what a program prints for --version: "oidcs3-vending v1.2.3 (commit 0123456789abcdef…)", without the commit where
// the program was not built from a git checkout.
func Line(program, version string) string {
	line := program + " " + version
	if commit := Commit(); commit != "" {
		line += " (commit " + commit + ")"
	}
	return line
}

// Commit is the hash of the commit that this program was built from, followed by "-dirty" where files had been changed
// since, or "" where the program was not built from a git checkout.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return commit(info.Settings)
}

// commit finds the hash among the settings that https://pkg.go.dev/runtime/debug#BuildSetting lists.
func commit(settings []debug.BuildSetting) string {
	var revision, modified string
	for _, setting := range settings {
		switch setting.Key {
		case "vcs.revision":
			revision = setting.Value
		case "vcs.modified":
			modified = setting.Value
		}
	}
	if revision != "" && modified == "true" {
		return revision + "-dirty"
	}
	return revision
}
