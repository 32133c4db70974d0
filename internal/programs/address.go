package programs

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Address is a loopback address that nobody listens at, for a program that must be told one. Its port is below those that
// systems give away by themselves (32768 and above on Linux, 49152 on others), so that nobody else gets it before the program
// does.
func Address() string {
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 15000+rand.N(15000))  //nolint:gosec // no secret
		if listener, err := net.Listen("tcp", address); err == nil { //nolint:noctx // it does not wait
			_ = listener.Close()
			return address
		}
	}
}
