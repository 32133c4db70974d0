package config

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// crowds are groups that stand for every user of a host.
var crowds = []windows.WELL_KNOWN_SID_TYPE{
	windows.WinWorldSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinUsersSid, windows.WinBuiltinGuestsSid, windows.WinInteractiveSid,
}

// readRights are the rights that let somebody read a file, or let himself read it.
const readRights = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL | windows.WRITE_DAC | windows.WRITE_OWNER

// exposed reports whether every user may read the file, or give himself the right to, and how to mend that. A list that
// cannot be read is not complained about: whoever reads the file next meets the reason.
func exposed(name string) (mend string, open bool) {
	mend = "icacls it /inheritance:r /grant:r SYSTEM:F Administrators:F, and the service's user :R"
	descriptor, err := windows.GetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return mend, false
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return mend, false
	}
	if list == nil { // no list: everybody may do everything
		return mend, true
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(list, i, &entry) != nil || entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || entry.Mask&readRights == 0 {
			continue
		}
		who := (*windows.SID)(unsafe.Pointer(&entry.SidStart)) // #nosec G103 -- the entry ends in the SID
		if slices.ContainsFunc(crowds, who.IsWellKnown) {
			return mend, true
		}
	}
	return mend, false
}
