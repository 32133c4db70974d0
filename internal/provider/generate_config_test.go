package provider_test

import (
	"fmt"
	"strings"
	"testing"
)

const oidcs3Block = "terraform {\n  required_providers {\n    oidcs3 = {\n      source = \"oidcs3/oidcs3\"\n    }\n  }\n}\n\n"

// TestAccServerAccess_generateConfig: the configuration that Terraform writes for imported servers plans clean after the
// one update that they need, and at once for those that oidcs3 has made.
func TestAccServerAccess_generateConfig(t *testing.T) {
	t.Parallel()
	var servers []*legacyThing
	main := oidcs3Block + "provider \"oidcs3\" {\n" + legacyProvider + "\n}\n"
	for _, l := range legacyServers("gen-") {
		servers = append(servers, l.build(t))
		main += fmt.Sprintf("import {\n  to = oidcs3_server_access.%s\n  id = %q\n}\n", strings.ReplaceAll(l.name, "-", "_"), "dev/"+l.name)
	}
	w := newWorkspace(t, map[string]string{"main.tf": main}, nil)
	w.expect(map[string]int{"import": len(servers), "update": len(servers)}, "-generate-config-out=generated.tf")
	w.expect(map[string]int{"import": len(servers), "update": len(servers)}) // a saved plan does not hold what was generated
	w.apply()
	w.clean()
	generated := w.read("generated.tf")
	for _, m := range servers {
		if !strings.Contains(generated, `"`+m.prefix+`"`) || strings.Contains(generated, m.secret) {
			t.Errorf("the configuration of %s lacks its prefix, or has its secret", m.name)
		}
	}

	again := newWorkspace(t, map[string]string{"main.tf": main}, nil)
	again.expect(map[string]int{"import": len(servers), "no-op": len(servers)}, "-generate-config-out=generated.tf")
	again.expect(map[string]int{"import": len(servers), "no-op": len(servers)})
	again.apply()
	again.clean()
	again.run("destroy", "-no-color", "-auto-approve")
	var names []string
	for _, m := range servers {
		names = append(names, m.name)
	}
	if err := nothingLeft(t, names...)(nil); err != nil {
		t.Error(err)
	}
}
