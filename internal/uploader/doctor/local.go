package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
)

// configuration reads the configuration and says what it is about.
func (d *Doctor) configuration(ctx context.Context) {
	var err error
	if d.config, d.files, err = d.Configure(); err != nil {
		d.because(ctx, StepConfiguration, err)
		return
	}
	from := "environment and flags"
	for _, f := range d.files {
		if f.What == "configuration" {
			from = f.Path
		}
	}
	c := d.config
	through := "role " + c.AWSRoleARN
	if c.CredentialVendingURL != "" {
		through = "credential vending at " + c.CredentialVendingURL
	}
	d.ok(StepConfiguration, fmt.Sprintf("%s: server %q, client %s of %s, %s, s3://%s/%s in %s",
		from, c.ServerName, c.ClientID(), c.IdentityProvider, through, c.S3Bucket, c.S3PathPrefix, c.AWSRegion))
}

// permissionsOfFiles looks at who may read the secret and who may change what the host works with. What is wrong here
// keeps nothing from working, so no step depends on it.
func (d *Doctor) permissionsOfFiles(context.Context) {
	if len(d.files) == 0 {
		d.ok(StepFiles, "neither configuration nor secret is in a file")
		return
	}
	if runtime.GOOS == "windows" {
		d.ok(StepFiles, "access control lists are not looked at on Windows")
		return
	}
	for _, f := range d.files {
		d.file(f)
	}
}

func (d *Doctor) file(f File) {
	info, err := os.Stat(f.Path)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		d.note(StepFiles, explain.Explanation{Code: explain.Usage, Message: fmt.Sprintf("%s %s: %v", f.What, f.Path, err), Hint: "check the path, and that the user who runs this may read it"})
		return
	}
	mode := info.Mode().Perm()
	wrong := func(what, hint string) {
		d.note(StepFiles, explain.Explanation{Code: explain.Usage, Message: fmt.Sprintf("%s %s has mode %04o: %s", f.What, f.Path, mode, what), Hint: hint})
	}
	switch {
	case !info.Mode().IsRegular():
		wrong("it is not a regular file", "name a file")
	case f.Secret && mode&0o007 != 0:
		wrong("every user of this host may read or change it", "chmod 600 "+f.Path+", and rotate it if others have used this host meanwhile")
	case mode&0o002 != 0:
		wrong("every user of this host may change it, and so where the secret is sent to", "chmod 644 "+f.Path)
	case d.exposedDir(filepath.Dir(f.Path)):
		wrong("every user of this host may replace it, for its directory is writable by all", "chmod o-w "+filepath.Dir(f.Path))
	case mode&0o020 != 0:
		d.warn(StepFiles, fmt.Sprintf("%s %s has mode %04o: its group may change it", f.What, f.Path, mode), "chmod g-w "+f.Path)
	default:
		d.ok(StepFiles, fmt.Sprintf("%s %s has mode %04o", f.What, f.Path, mode))
	}
}

// exposedDir reports whether everybody may replace files in the directory. The sticky bit keeps others' files safe.
func (d *Doctor) exposedDir(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0
}

// authentication makes the clients, for which the secret or key is read and understood.
func (d *Doctor) authentication(ctx context.Context) {
	var err error
	if d.clouds, err = d.Connect(d.config); err != nil {
		d.because(ctx, StepAuthentication, err)
		return
	}
	d.ok(StepAuthentication, d.clouds.Authentication)
}
