package onboarding

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// What TestPromisesHold plays unless the flags of the same names say otherwise: the number of sequences, and a seed, so
// that a change is judged by the same sequences every time. The faults target of the makefile draws new ones.
var played = map[string]string{"rapid.checks": "2500", "rapid.seed": "2500"}

// TestPromisesHold plays random sequences of what people, machines and bad luck do to servers, and looks after every act
// whether the promises of an onboarding hold:
//
//   - no orphan: whatever is ours can be found by a role's journal or by a Terraform state;
//   - no duplicate: a server never has two clients;
//   - nothing of others is touched;
//   - no role is opened before everything else stands;
//   - no secret is lost: a state that an apply has written knows its client's secret;
//   - and once the faults end, plain applies bring every server to its final state, and plain destroys to nothing.
func TestPromisesHold(t *testing.T) {
	for name, value := range played {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				t.Fatal(err)
			}
		}
	}
	acts, faults := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScript(rt)
		rapid.SyncTest(rt, func(rt *rapid.T) {
			p := newPlay(rt, s)
			p.run()
			acts, faults = acts+len(s.Acts), faults+p.struck
		})
	})
	t.Logf("%d acts, %d faults", acts, faults)
}

// script is a whole sequence, as plain data, so that a failure prints it.
type script struct {
	Hidden bool   // the identity provider does not show secrets
	Seed   uint64 // of the calls' latencies
	Acts   []act
}

// act is what happens next; processes run at the same time.
type act struct {
	Drift     string // what somebody does by hand first; empty: nothing
	On        int    // the server that it is done to
	Processes []processScript
}

// processScript is one run of Terraform.
type processScript struct {
	Verb   string // "apply", "destroy", "refresh"
	Server int    // its number
	State  int    // which Terraform state: two states know nothing of each other
	Change int    // which of its configurations
	Blows  []strike
}

// strike is what happens to some calls of a process, counted from 1, reads included.
type strike struct {
	Call, Times int
	Blow        hit
}

// hit is what happens to one call.
type hit string

const (
	dropBefore  hit = "lost before"
	dropAfter   hit = "lost after"
	refuse      hit = "refused"
	throttle    hit = "throttled"
	unreachable hit = "unreachable"
	killBefore  hit = "killed before"
	killAfter   hit = "killed after"
	interrupt   hit = "interrupted"
	stale       hit = "stale" // a read answers as of a second ago
)

var (
	hits   = []hit{dropBefore, dropAfter, refuse, throttle, unreachable, killBefore, killAfter, interrupt, stale}
	verbs  = []string{"apply", "apply", "apply", "apply", "destroy", "refresh"}
	drifts = []string{"", "", "", "delete role", "delete client", "delete grant", "delete both", "widen policy", "delete policy", "close", "untag", "unlist", "delete row", "delete secret"}
)

const (
	servers = 3
	changes = 4
)

func drawScript(rt *rapid.T) script {
	blow := rapid.Custom(func(rt *rapid.T) strike {
		return strike{Call: rapid.IntRange(1, 24).Draw(rt, "call"), Times: rapid.SampledFrom([]int{1, 1, 1, 2, 4, 12}).Draw(rt, "times"),
			Blow: rapid.SampledFrom(hits).Draw(rt, "blow")}
	})
	process := rapid.Custom(func(rt *rapid.T) processScript {
		return processScript{
			Verb: rapid.SampledFrom(verbs).Draw(rt, "verb"), Server: rapid.IntRange(0, servers-1).Draw(rt, "server"),
			State: rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(rt, "state"), Change: rapid.IntRange(0, changes-1).Draw(rt, "change"),
			Blows: rapid.SliceOfN(blow, 0, 3).Draw(rt, "blows"),
		}
	})
	one := rapid.Custom(func(rt *rapid.T) act {
		return act{
			Drift: rapid.SampledFrom(drifts).Draw(rt, "drift"), On: rapid.IntRange(0, servers-1).Draw(rt, "on"),
			Processes: rapid.SliceOfN(process, 1, 2).Draw(rt, "processes"),
		}
	})
	s := script{
		Hidden: rapid.Bool().Draw(rt, "hidden"), Seed: rapid.Uint64().Draw(rt, "seed"),
		Acts: rapid.SliceOfN(one, 1, 6).Draw(rt, "acts"),
	}
	for i := range s.Acts { // Terraform locks a state: two runs at once have two states
		p := s.Acts[i].Processes
		if len(p) == 2 && p[0].Server == p[1].Server && p[0].State == p[1].State {
			p[1].State = 1 - p[0].State
		}
	}
	return s
}

// play is a script being played.
type play struct {
	t       *rapid.T
	s       script
	w       *world
	ids     int
	struck  int
	known   [servers][2]remembered // what the Terraform states know
	running [servers]int           // processes at work on each
	foreign map[string]any
	past    []moment // for stale reads
	// Clients whose maker was killed after it had let them in and before Terraform's state had their secret. Where the
	// identity provider hides it, the secret is then known to nobody, and the user is told to rotate it.
	excused map[string]bool
	// Clients whose stored secret somebody deleted, and those whose secret was being rotated, or moved into the state, when
	// the process was killed or lost every answer, so that no state has it. The next refresh shows it, or the next apply of that configuration
	// makes another; where it is hidden, one of the configuration before does not.
	halfway map[string]bool
}

// moment is what the world was.
type moment struct {
	at      time.Time
	roles   map[string]iam.Role
	clients map[string]registered
	rows    map[string]rolemap.Row
	vault   map[string]kept
}

func newPlay(t *rapid.T, s script) *play {
	p := &play{t: t, s: s, w: newWorld(), excused: map[string]bool{}, halfway: map[string]bool{}}
	p.w.readable = !s.Hidden
	p.w.undoFails = true // closing a role may fail too; deleting it then is right
	other := serverNamed("web-1").Name()
	p.w.roles[other] = iam.Role{Name: other, Tags: map[string]string{"Team": "others"}, TrustPolicy: access.DenyAll()}
	// A client of another's that bears the name of one of ours: names are not unique.
	twin := configuration(0, 0).Name()
	p.w.clients["foreign"] = &registered{client: idp.Client{ID: "foreign", Name: twin, Secret: "not ours"}, granted: true}
	p.w.listed["foreign"] = true
	p.w.rows["foreign"] = rolemap.Row{ClientID: "foreign", RoleARN: "arn:aws:iam::123456789012:role/foreign"}
	p.w.vault["foreign"] = kept{"others", "not ours"}
	p.foreign = p.others()
	p.note()
	return p
}

// configuration is what one of the versions of a server's configuration asks for. The second server moves between trust
// modes.
func configuration(server, change int) Resolved {
	want := serverNamed(fmt.Sprintf("web-%d", 10+server))
	switch change {
	case 1:
		want.Permission, want.MaxSessionDuration, want.Tags = access.Write, 2*time.Hour, map[string]string{"Owner": "b"}
		want.Disabled = server == 0
	case 2:
		want.Prefix, want.PermissionsBoundary = "moved/", "arn:aws:iam::123456789012:policy/boundary"
		want.Mode = []access.Mode{access.Plain, access.AZP, access.Plain}[server]
		want.Disabled = server == 2
		want.Storage = []Storage{State, State, SecretsManager}[server]
	case 3:
		want.Mode = []access.Mode{access.AZP, access.Plain, access.Plain}[server]
		want.Storage = []Storage{SecretsManager, State, State}[server]
	}
	want.Identity.Vending = Vending{RoleARN: "arn:aws:iam::123456789012:role/vending", URL: "https://vending.example/", Table: "client-roles"}
	return want
}

// typing is how long people take between two acts: longer than reads are stale for, so that stale is what happened in the
// same act.
const typing = 2 * time.Second

func (p *play) run() {
	for i, a := range p.s.Acts {
		time.Sleep(typing)
		p.drift(a.Drift, a.On)
		time.Sleep(typing)
		var runs []*process
		for n, ps := range a.Processes {
			if !p.contested(ps) && !p.both(ps.Server) {
				runs = append(runs, p.process(ps, uint64(i*2+n)))
				p.running[ps.Server]++
			}
		}
		var wait sync.WaitGroup
		for _, run := range runs {
			wait.Go(run.main)
		}
		wait.Wait()
		p.running = [servers]int{}
		p.check(fmt.Sprintf("after act %d", i+1))
	}
	p.settle()
}

// contested reports whether a run would fight with another Terraform state over a server that the other knows and that
// is in pieces. Whoever keeps one server in two states must mend it from the one that has it.
func (p *play) contested(s processScript) bool {
	role := p.w.roles[configuration(s.Server, 0).Name()]
	return p.known[s.Server][1-s.State].exists && parseJournal(role.Tags).Phase != Ready
}

// both reports whether a run is at work on a server that two Terraform states know: a second one would change under its
// hands what it has just read.
func (p *play) both(server int) bool {
	return p.running[server] > 0 && p.known[server][0].exists && p.known[server][1].exists
}

// settle is what people do when the faults are over: they apply, and later destroy.
func (p *play) settle() {
	for _, verb := range []string{"apply", "destroy"} {
		for n := range servers {
			if p.known[n][0].exists && p.known[n][1].exists { // one has the server, the other what its failure left
				loser := 1
				if p.known[n][0].tainted {
					loser = 0
				}
				p.plainly("destroy", n, loser)
			}
			state := 0
			if p.known[n][1].exists {
				state = 1
			}
			p.plainly(verb, n, state)
		}
		if !p.s.Hidden { // every state has been refreshed since
			clear(p.halfway)
		}
		p.check("after the last " + verb)
		for n := range servers {
			p.final(verb, configuration(n, n%changes))
		}
	}
}

// plainly runs Terraform without faults, and it must succeed.
func (p *play) plainly(verb string, server, state int) {
	run := p.process(processScript{Verb: verb, Server: server, State: state, Change: server % changes}, 1000)
	var wait sync.WaitGroup
	wait.Go(run.main)
	wait.Wait()
	if run.err != nil {
		p.t.Fatalf("after the faults: %s of server %d from state %d: %v", verb, server, state, run.err)
	}
}

// final compares one server with what it must be in the end.
func (p *play) final(verb string, want Resolved) {
	w := p.w
	role, ok := w.roles[want.Name()]
	mine := p.clientsOf(want)
	if verb == "destroy" {
		if ok || len(mine) > 0 || (len(w.listed) != 1 && want.Server == "web-12") {
			p.t.Fatalf("after destroy: role %v, clients %d, listed %v", ok, len(mine), w.listed)
		}
		if _, ok := w.vault[want.SecretName()]; ok {
			p.t.Fatalf("after destroy: the stored secret of %s is left", want.Server)
		}
		for _, row := range w.rows {
			if row.ServerName == want.Server {
				p.t.Fatalf("after destroy: row %+v", row)
			}
		}
		return
	}
	if !ok || len(mine) != 1 {
		p.t.Fatalf("after apply: role %v, clients %d", ok, len(mine))
	}
	client := mine[0]
	granted, revoked := policies(role)
	wrong := map[string]bool{
		"grant":    !client.granted,
		"trust":    !access.Equivalent(role.TrustPolicy, want.trust(client.client)),
		"policies": !maps.EqualFunc(granted, want.Permissions().Policies(), access.Equivalent),
		"revoked":  revoked != want.Disabled,
		"tags":     !maps.Equal(userTags(role.Tags), want.Tags),
		"duration": role.MaxSessionDuration != want.MaxSessionDuration,
		"boundary": role.PermissionsBoundary != want.PermissionsBoundary,
		"phase":    parseJournal(role.Tags).Phase != Ready,
		"client":   parseJournal(role.Tags).ClientID != client.client.ID,
		"listed":   w.listed[client.client.ID] != (want.Mode == access.AZP),
	}
	stored, ok := w.vault[want.SecretName()]
	wrong["stored"] = ok != (want.storage() != State) || ok && stored.value != client.client.Secret && !p.halfway[client.client.ID] && !p.excused[client.client.ID]
	_, mapped := w.rows[rolemap.Key(want.Issuer, client.client.ID)]
	wrong["row"] = want.Mode == access.Vending && !mapped
	for what, is := range wrong {
		if is {
			p.t.Fatalf("after apply: %s of %s is not as it must be: %+v, client %s listed %v", what, want.Server, role, client.client.ID, w.listed)
		}
	}
}

func (p *play) clientsOf(want Resolved) []*registered {
	var mine []*registered
	for id, r := range p.w.clients {
		if id != "foreign" && r.client.Name == want.Name() {
			mine = append(mine, r)
		}
	}
	return mine
}

// check looks whether the promises hold.
func (p *play) check(when string) {
	p.t.Helper()
	w := p.w
	if len(w.breaches) > 0 {
		p.t.Fatalf("%s: %v", when, w.breaches)
	}
	if now := p.others(); !reflect.DeepEqual(now, p.foreign) {
		p.t.Fatalf("%s: what is others' was touched: %v", when, now)
	}
	for n := range servers {
		want := configuration(n, 0)
		mine := p.clientsOf(want)
		if len(mine) > 1 {
			p.t.Fatalf("%s: server %d has %d clients", when, n, len(mine))
		}
		for _, r := range mine {
			if !p.findable(n, r.client) {
				p.t.Fatalf("%s: client %s is an orphan", when, r.client.ID)
			}
		}
		for _, known := range p.known[n] {
			r := w.clients[known.ref.ClientID]
			unknown := r != nil && p.halfway[r.client.ID] || known.secret == "" && (known.imported || (r != nil && p.excused[r.client.ID]))
			secret := known.secret
			if known.applied.storage() != State && secret == "" {
				secret = w.vault[known.applied.SecretName()].value
			}
			if known.exists && !known.tainted && !unknown && r != nil && secret != r.client.Secret {
				p.t.Fatalf("%s: the secret of client %s is lost", when, r.client.ID)
			}
		}
	}
}

// findable reports whether a role's journal or a state leads to the client.
func (p *play) findable(n int, client idp.Client) bool {
	j := parseJournal(p.w.roles[client.Name].Tags)
	return j.OnboardingID == client.OnboardingID || j.ClientID == client.ID || p.remembered(n, client)
}

// remembered reports whether a state leads to the client.
func (p *play) remembered(n int, client idp.Client) bool {
	for _, known := range p.known[n] {
		if known.exists && (known.ref.OnboardingID == client.OnboardingID || known.ref.ClientID == client.ID) {
			return true
		}
	}
	return false
}

// stores reports whether a state knows that the secret of a server is in a storage.
func (p *play) stores(n int) bool {
	return slices.ContainsFunc(p.known[n][:], func(k remembered) bool { return k.exists && k.applied.storage() != State })
}

// others is everything that is not ours.
func (p *play) others() map[string]any {
	return map[string]any{
		"role": p.w.roles[serverNamed("web-1").Name()], "client": fmt.Sprintf("%+v", *p.w.clients["foreign"]),
		"listed": p.w.listed["foreign"], "row": p.w.rows["foreign"], "secret": p.w.vault["foreign"],
	}
}

// drift is what somebody does by hand to a server. Who deletes a role that alone leads to a client, or to a stored secret,
// takes over cleaning up, so that only roles whose client and storage a state remembers are deleted.
func (p *play) drift(what string, server int) {
	w, want := p.w, configuration(server, 0)
	role, ok := w.roles[want.Name()]
	role.Tags, role.InlinePolicies = maps.Clone(role.Tags), maps.Clone(role.InlinePolicies)
	mine := p.clientsOf(want)
	switch what {
	case "delete role":
		unknown := func(r *registered) bool { return !p.remembered(server, r.client) }
		journal := parseJournal(role.Tags)
		if journal.Phase != Ready || slices.ContainsFunc(mine, unknown) || (journal.Storage != State && !p.stores(server)) {
			break
		}
		delete(w.roles, want.Name())
		ok = false
	case "delete client", "delete both":
		for _, r := range mine {
			delete(w.clients, r.client.ID)
		}
		if what == "delete both" {
			delete(w.roles, want.Name())
			ok = false
		}
	case "delete grant":
		for _, r := range mine {
			r.granted = false
		}
	case "unlist":
		for _, r := range mine {
			delete(w.listed, r.client.ID)
		}
	case "delete row":
		for _, r := range mine {
			delete(w.rows, rolemap.Key(want.Issuer, r.client.ID))
		}
	case "delete secret":
		if p.s.Hidden {
			break // nobody would know it then
		}
		delete(w.vault, want.SecretName())
		for _, r := range mine {
			p.halfway[r.client.ID] = true
		}
	case "widen policy":
		if !ok {
			break
		}
		role.InlinePolicies[access.ObjectPolicy] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	case "delete policy":
		delete(role.InlinePolicies, access.ObjectPolicy)
	case "close":
		role.TrustPolicy = access.DenyAll()
	case "untag":
		delete(role.Tags, "Team")
	}
	if ok {
		w.roles[want.Name()] = role
	} else if len(p.clientsOf(want)) == 0 { // whoever deletes all by hand deletes all: nothing is left to find the rest by
		maps.DeleteFunc(w.listed, func(id string, _ bool) bool { return w.clients[id] == nil })
		delete(w.vault, want.SecretName())
	}
	p.note()
}

// note remembers the world for stale reads.
func (p *play) note() {
	m := moment{at: time.Now(), roles: maps.Clone(p.w.roles), clients: map[string]registered{}, rows: maps.Clone(p.w.rows), vault: maps.Clone(p.w.vault)}
	for id, r := range p.w.clients {
		m.clients[id] = *r
	}
	p.past = append(p.past, m)
	if len(p.past) > 64 {
		p.past = p.past[1:]
	}
}

// before is what the world was a second ago.
func (p *play) before() *world {
	m := p.past[0]
	for _, later := range slices.Backward(p.past) {
		if time.Since(later.at) >= time.Second {
			m = later
			break
		}
	}
	old := newWorld()
	old.readable, old.roles, old.rows, old.vault, old.listed = p.w.readable, m.roles, m.rows, m.vault, p.w.listed
	for id, r := range m.clients {
		old.clients[id] = &registered{client: r.client, granted: r.granted}
	}
	return old
}

// process is one run of Terraform with the provider in it. Its calls take time and meet their blows; when it is killed,
// whatever it would do next never happens.
type process struct {
	*play
	script processScript
	random *rand.Rand
	cancel context.CancelFunc
	ctx    context.Context
	calls  int
	dead   atomic.Bool
	err    error
	open   bool // the role was open when it began
}

func (p *play) process(s processScript, n uint64) *process {
	r := &process{play: p, script: s, random: rand.New(rand.NewPCG(p.s.Seed, n))} //nolint:gosec // latencies of a test
	r.ctx, r.cancel = context.WithCancel(context.Background())
	role, ok := p.w.roles[configuration(s.Server, 0).Name()]
	r.open = ok && !access.IsDenyAll(role.TrustPolicy)
	return r
}

func (r *process) main() {
	defer r.cancel()
	controller := New(Config{Roles: r, Clients: processClients{r}, Mappings: processRows{r}, Vaults: map[Storage]Vault{SecretsManager: processVault{r}}, Clock: r, Probe: r.tried, NewID: r.newID})
	want := configuration(r.script.Server, r.script.Change)
	known := &r.known[r.script.Server][r.script.State]
	switch r.script.Verb {
	case "apply":
		adopts := func() bool {
			return len(r.script.Blows) == 0 && r.running[r.script.Server] < 2 && !r.known[r.script.Server][1-r.script.State].exists
		}
		r.err = terraform{ctx: r.ctx, c: controller, known: known, adopts: adopts, hidden: r.s.Hidden, role: r.readRole}.apply(want)
		r.unsure(known.ref.ClientID)
	case "destroy":
		r.err = terraform{ctx: r.ctx, c: controller, known: known}.destroy()
	case "refresh":
		_, r.err = terraform{ctx: r.ctx, c: controller, known: known}.refresh()
	}
}

// unsure notes that a rotation may stand or not: its answer was lost, and so were the calls that were to take it back. The
// error says so; the state keeps the former secret until the next refresh or rotation.
func (r *process) unsure(client string) {
	failure, ok := errors.AsType[*Failure](r.err)
	if ok && slices.ContainsFunc(failure.Remains, func(left Remnant) bool { return strings.HasPrefix(left.What, idp.SecretPart+" ") }) {
		r.w.mu.Lock()
		r.halfway[client] = true
		r.w.mu.Unlock()
	}
}

func (r *process) newID() string {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.ids++
	return fmt.Sprintf("id-%d", r.ids)
}

func (r *process) readRole(name string) (iam.Role, error) { return r.Read(r.ctx, name) }

// Now and Sleep make the process a Clock. A dead process does not wake up.
func (r *process) Now() time.Time { return time.Now() }

func (r *process) Sleep(ctx context.Context, d time.Duration) error {
	err := systemClock{}.Sleep(ctx, d)
	r.die()
	return err
}

// kill ends the process in the middle of a call.
func (r *process) kill() {
	r.w.mu.Lock()
	want := configuration(r.script.Server, r.script.Change)
	if role, ok := r.w.roles[want.Name()]; ok && role.TrustPolicy != access.DenyAll() && r.s.Hidden {
		for _, c := range r.clientsOf(want) {
			r.excused[c.client.ID] = true
		}
	}
	known := r.known[r.script.Server][r.script.State]
	// The last step of a move into the state empties the storage: what is killed right after it has told nobody the secret.
	leaves := known.applied.storage() != State && known.applied.storage() != want.storage()
	if known.exists && (leaves || rotates(known.applied, want)) {
		for _, c := range r.clientsOf(want) { // one that was made in place of another included
			r.halfway[c.client.ID] = true
		}
	}
	r.w.mu.Unlock()
	r.dead.Store(true)
	runtime.Goexit()
}

func (r *process) die() {
	if r.dead.Load() {
		runtime.Goexit()
	}
}

// blow says what happens to the next call. A stale answer to a change makes no sense.
func (r *process) blow(read bool) hit {
	r.calls++
	for _, s := range r.script.Blows {
		if r.calls < s.Call || r.calls >= s.Call+s.Times || (read != (s.Blow == stale) && s.Blow == stale) {
			continue
		}
		r.struck++
		return s.Blow
	}
	return ""
}

// call makes one call of the process: effect runs, unless something comes before it.
func (r *process) call(read bool, name string, effect func(*world) error) error {
	r.die()
	r.w.mu.Lock()
	latency := time.Duration(1 + r.random.IntN(int(40*time.Millisecond)))
	r.w.mu.Unlock()
	time.Sleep(latency)
	r.die()
	r.w.mu.Lock()
	b := r.blow(read)
	r.w.mu.Unlock()
	fail := func(kind apierror.Kind) error {
		return &apierror.Error{Kind: kind, Service: "test", Operation: name, Message: string(b)}
	}
	switch b {
	case dropBefore:
		return fail(apierror.Ambiguous)
	case refuse:
		return fail(apierror.Denied)
	case throttle:
		return fail(apierror.Throttled)
	case unreachable:
		return fail(apierror.Unavailable)
	case interrupt:
		r.cancel()
	case killBefore:
		r.kill()
	case stale:
		r.w.mu.Lock()
		old := r.before()
		r.w.mu.Unlock()
		return effect(old)
	case dropAfter, killAfter:
	}
	err := effect(r.w)
	r.w.mu.Lock()
	r.note()
	r.w.mu.Unlock()
	switch b {
	case dropAfter:
		return fail(apierror.Ambiguous)
	case killAfter:
		r.kill()
	case dropBefore, refuse, throttle, unreachable, interrupt, killBefore, stale:
	}
	return err
}
