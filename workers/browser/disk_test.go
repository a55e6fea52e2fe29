package browser

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// filesystem mounts a tmpfs with its own options and returns where.
func filesystem(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small file system and needs to be root in its own mount name space: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := filesystem(t, "size=1m")
	site := serve(t, map[string]any{
		"/":      `<p>Large</p><img src=/large><script>fetch('/large')</script>`,
		"/large": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("0123456789abcdef", 1<<18)) },
		"/after": `<p>All is well</p>`,
	})
	s := newStay(t, newPool(t), StayOptions{})
	p := visit(t, s, site.URL, func(v *Visit) { v.Dir = filepath.Join(dir, "p") })
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonDiskFull {
		t.Errorf("outcome %+v, want %s", p.Outcome, ReasonDiskFull)
	}
	// Not even the folder of a page fits any more.
	if err := fill(filepath.Join(dir, "rest")); err != nil {
		t.Fatal(err)
	}
	p = visit(t, s, site.URL+"/after", func(v *Visit) { v.Dir = filepath.Join(dir, "q") })
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonDiskFull {
		t.Errorf("outcome %+v, want %s", p.Outcome, ReasonDiskFull)
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

// fill fills a file system up.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestNoInodes: a file system that has room for bytes and none for files is a disk that is
// full, in the middle of a page and at its beginning.
func TestNoInodes(t *testing.T) {
	// Of the six, one is the file system's own folder, and two are the page's.
	dir := filesystem(t, "size=64m,nr_inodes=6")
	large := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("0123456789abcdef", 1<<16)) }
	body := "<p>Many files</p>"
	for i := range 8 {
		body += fmt.Sprintf(`<img src=/large/%d>`, i)
	}
	site := serve(t, map[string]any{"/": body, "/large/{n}": large, "/after": `<p>All is well</p>`})
	s := newStay(t, newPool(t), StayOptions{})
	full := func(name string, p *Page) {
		t.Helper()
		if p.Outcome.State != Failed || p.Outcome.Reason != ReasonDiskFull || !strings.Contains(p.Outcome.Detail, "no space") {
			t.Errorf("%s: outcome %+v, want %s", name, p.Outcome, ReasonDiskFull)
		}
	}
	full("in the middle", visit(t, s, site.URL, func(v *Visit) { v.Dir = filepath.Join(dir, "p") }))
	for i := range 10 { // until not even the folder of a page fits
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	full("at the beginning", visit(t, s, site.URL+"/after", func(v *Visit) { v.Dir = filepath.Join(dir, "q") }))
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

// TestReadOnlyDisk: pages of a spool that cannot be written to are an error of the machinery
// that says so, and the stay goes on where it can.
func TestReadOnlyDisk(t *testing.T) {
	dir := filesystem(t, "size=64m")
	site := serve(t, map[string]any{"/after": `<p>All is well</p>`})
	s := newStay(t, newPool(t), StayOptions{})
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	p, err := s.Capture(t.Context(), Visit{URL: site.URL + "/after", Dir: filepath.Join(dir, "p")})
	if !errors.Is(err, syscall.EROFS) {
		t.Errorf("page %+v, error %v", p, err)
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

// TestSmallSharedMemory captures pages with pictures and canvases that are larger than all
// of /dev/shm, as a container of 64 KB or 1 MB has it, with each engine. The page makes its
// picture in one step while it is parsed, and load waits for it: toBlob would do so whenever
// a slow machine comes to it, which may be after the page has settled.
func TestSmallSharedMemory(t *testing.T) {
	t.Parallel()
	if os.Getenv(aloneEnv) == "" {
		for _, size := range []string{"64k", "1m"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSmallSharedMemory$", "-test.v")
			cmd.Env = append(os.Environ(), aloneEnv+"="+size)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if t.Logf("%s", out); err != nil {
				t.Fatalf("/dev/shm of %s: %v", size, err)
			}
		}
		return
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""},
		{"tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777,size=" + os.Getenv(aloneEnv)},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			t.Fatalf("mount %s: %v", m.target, err)
		}
	}
	site := serve(t, map[string]any{"/": `<!doctype html><title>large</title><style>body { margin: 0 } canvas, img { display: block }</style><canvas id=c width=4000 height=4000></canvas><img id=i>
<script>const x = c.getContext('2d'); const d = x.createImageData(4000, 4000); for (let n = 0; n < d.data.length; n += 4) { d.data[n] = n >> 8; d.data[n + 3] = 255 }
x.putImageData(d, 0, 0); i.onload = () => document.title = 'drawn ' + i.naturalWidth
i.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(c.toDataURL().split(',')[1]), b => b.charCodeAt(0))], { type: 'image/png' }))</script>`})
	for _, engine := range []Engine{EngineShell, EngineChromium} {
		pool := newPool(t, func(o *Options) { o.Engine = engine })
		if !slices.Contains(pool.Flags(), "--disable-dev-shm-usage") {
			t.Errorf("%s: flags %v", engine, pool.Flags())
		}
		for range 2 {
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL)
			if p.Outcome.State != Archived || p.Title != "drawn 4000" || p.Incomplete() != "" {
				t.Errorf("%s: outcome %+v, title %q", engine, p.Outcome, p.Title)
			}
			checkPicture(t, p, 1280, 8000)
		}
	}
}
