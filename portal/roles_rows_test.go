package portal

// row is what each of roles is answered.
type row [7]int

// The rows that there are. Beside those who may not they say what who may is answered.
func public(status int) row { return row{status, status, status, status, status, status, status} }

// lists are for everybody who may find something, and have no more than that.
func lists(status int) row { return row{401, 403, 403, status, status, status, status} }

// owns are for everybody who has logged in, and have what is their own.
func owns(status int) row { return row{401, status, status, status, status, status, status} }

// finds, copies: of one namespace.
func finds(status int) row  { return row{401, 403, 403, 403, status, status, status} }
func copies(status int) row { return row{401, 403, 403, 403, 403, status, status} }

// findsOne, looksAt, copiesOf: one capture, of which who may not find it learns nothing.
func findsOne(status int) row { return row{401, 404, 404, 404, status, status, status} }
func looksAt(status int) row  { return row{401, 404, 404, 404, status, status, status} }
func copiesOf(status int) row { return row{401, 404, 404, 404, 403, status, status} }

// reads, writes, exports: cases of one namespace.
func reads(status int) row   { return row{401, 403, 403, 403, status, status, status} }
func writes(status int) row  { return row{401, 403, 403, 403, 403, status, status} }
func exports(status int) row { return row{401, 403, 403, 403, 403, 403, status} }

// follows is for who may see the crawls of a namespace, which is another right.
func follows(status int) row { return row{401, 403, status, 403, 403, 403, 403} }

// rows are all routes of the portal with what who asks is answered. A route that is new needs a row.
// In paths A and B are two captures of one address, CHUNK is the file of A and RUN its run. FOR is another name for each
// request of a person, and WATCH another watch of theirs.
var rows = map[string]struct {
	path string
	row  row
}{
	"GET /{$}":                            {"/", lists(200)},
	"GET /crawls":                         {"/crawls", lists(200)},
	"GET /timeline":                       {"/timeline?url=" + board, lists(200)},
	"GET /runs/{namespace}/{name}/{uid}":  {"/runs/RUN", finds(200)},
	"GET /snapshots/{id}":                 {"/snapshots/A", looksAt(200)},
	"GET /snapshots/{id}/thumbnail":       {"/snapshots/A/thumbnail", findsOne(200)},
	"GET /snapshots/{id}/thumbnail/clear": {"/snapshots/A/thumbnail/clear", looksAt(200)},
	"GET /snapshots/{id}/picture":         {"/snapshots/A/picture", looksAt(200)},
	"GET /snapshots/{id}/text":            {"/snapshots/A/text", looksAt(200)},
	"GET /snapshots/{id}/verify":          {"/snapshots/A/verify", looksAt(200)},
	"GET /snapshots/{id}/replay":          {"/snapshots/A/replay", looksAt(200)},
	"GET /snapshots/{id}/replay/link":     {"/snapshots/A/replay/link", looksAt(200)},
	"GET /snapshots/{id}/wacz":            {"/snapshots/A/wacz", copiesOf(200)},
	"GET /snapshots/{id}/evidence.zip":    {"/snapshots/A/evidence.zip", copiesOf(200)},
	"GET /compare":                        {"/compare?a=A&b=B", looksAt(200)},
	"GET /compare/picture":                {"/compare/picture?a=A&b=B", looksAt(200)},
	"GET /wacz/{key...}":                  {"/wacz/CHUNK", copies(200)},
	"GET /live":                           {"/live", follows(200)},
	"GET /live/{namespace}/{name}":        {"/live/default/harbour", follows(200)},
	"GET /watches":                        {"/watches", owns(200)},
	"GET /watches/new":                    {"/watches/new", lists(200)},
	"POST /watches":                       {"/watches", finds(303)},
	"POST /watches/seen":                  {"/watches/seen", owns(303)},
	"POST /watches/end":                   {"/watches/end", owns(303)},
	"GET /watches/feed.atom":              {"/watches/feed.atom", owns(200)},
	"GET /watches/feed.json":              {"/watches/feed.json", owns(200)},

	"GET /api/v1/snapshots":                     {"/api/v1/snapshots", lists(200)},
	"GET /api/v1/snapshots/{id}":                {"/api/v1/snapshots/A", looksAt(200)},
	"GET /api/v1/snapshots/{id}/picture":        {"/api/v1/snapshots/A/picture", looksAt(200)},
	"GET /api/v1/snapshots/{id}/text":           {"/api/v1/snapshots/A/text", looksAt(200)},
	"GET /api/v1/snapshots/{id}/verification":   {"/api/v1/snapshots/A/verification", looksAt(200)},
	"GET /api/v1/snapshots/{id}/wacz":           {"/api/v1/snapshots/A/wacz", copiesOf(200)},
	"GET /api/v1/snapshots/{id}/evidence.zip":   {"/api/v1/snapshots/A/evidence.zip", copiesOf(200)},
	"GET /api/v1/compare":                       {"/api/v1/compare?a=A&b=B", looksAt(200)},
	"GET /api/v1/compare/picture":               {"/api/v1/compare/picture?a=A&b=B", looksAt(200)},
	"GET /api/v1/timeline":                      {"/api/v1/timeline?url=" + board, lists(200)},
	"GET /api/v1/watches":                       {"/api/v1/watches", owns(200)},
	"POST /api/v1/watches":                      {"/api/v1/watches", finds(201)},
	"DELETE /api/v1/watches/{id}":               {"/api/v1/watches/WATCH", owns(204)},
	"POST /api/v1/watches/{id}/seen":            {"/api/v1/watches/WATCH/seen", owns(204)},
	"GET /api/v1/watches/notices":               {"/api/v1/watches/notices", owns(200)},
	"GET /api/v1/runs":                          {"/api/v1/runs", lists(200)},
	"GET /api/v1/runs/{namespace}/{name}/{uid}": {"/api/v1/runs/RUN", finds(200)},
	"GET /api/v1/live":                          {"/api/v1/live", follows(200)},
	"GET /api/v1/live/{namespace}/{name}":       {"/api/v1/live/default/harbour", follows(200)},
	"GET /api/v1/openapi.json":                  {"/api/v1/openapi.json", public(200)},

	"GET /cases":                                          {"/cases", lists(200)},
	"GET /cases/new":                                      {"/cases/new", row{401, 403, 403, 200, 403, 200, 200}},
	"POST /cases":                                         {"/cases", writes(303)},
	"GET /cases/add":                                      {"/cases/add?id=A", copiesOf(200)},
	"POST /cases/add":                                     {"/cases/add?id=A", copiesOf(303)},
	"GET /cases/{namespace}/{name}":                       {"/cases/default/mooring", reads(200)},
	"POST /cases/{namespace}/{name}":                      {"/cases/default/mooring", writes(303)},
	"GET /cases/{namespace}/{name}/history":               {"/cases/default/mooring/history", reads(200)},
	"POST /cases/{namespace}/{name}/close":                {"/cases/default/close-FOR/close", writes(303)},
	"POST /cases/{namespace}/{name}/reopen":               {"/cases/default/reopen-FOR/reopen", writes(303)},
	"GET /cases/{namespace}/{name}/captures/{id}":         {"/cases/default/mooring/captures/A", reads(200)},
	"POST /cases/{namespace}/{name}/captures/{id}":        {"/cases/default/mooring/captures/A", writes(303)},
	"POST /cases/{namespace}/{name}/captures/{id}/remove": {"/cases/default/remove-FOR/captures/A/remove", writes(303)},
	"GET /cases/{namespace}/{name}/keep":                  {"/cases/default/mooring/keep", writes(200)},
	"POST /cases/{namespace}/{name}/keep":                 {"/cases/default/mooring/keep", writes(303)},
	"GET /cases/{namespace}/{name}/erase":                 {"/cases/default/mooring/erase", writes(200)},
	"POST /cases/{namespace}/{name}/erase":                {"/cases/default/erase-FOR/erase", writes(303)},
	"GET /cases/{namespace}/{name}/handover":              {"/cases/default/mooring/handover", exports(200)},
	"POST /cases/{namespace}/{name}/selection.wacz":       {"/cases/default/mooring/selection.wacz", exports(200)},
	"POST /cases/{namespace}/{name}/dossier.zip":          {"/cases/default/signed/dossier.zip", exports(200)},
	"GET /api/v1/cases":                                   {"/api/v1/cases", lists(200)},
	"POST /api/v1/cases/{namespace}":                      {"/api/v1/cases/default", writes(201)},
	"GET /api/v1/cases/{namespace}/{name}":                {"/api/v1/cases/default/mooring", reads(200)},
	"POST /api/v1/cases/{namespace}/{name}/events":        {"/api/v1/cases/default/mooring/events", writes(200)},
	"GET /api/v1/cases/{namespace}/{name}/selection.wacz": {"/api/v1/cases/default/mooring/selection.wacz?to=desk", exports(200)},
	"GET /api/v1/cases/{namespace}/{name}/dossier.zip":    {"/api/v1/cases/default/signed/dossier.zip?to=desk", exports(200)},

	"POST /preferences":                     {"/preferences", public(303)},
	"GET /assets/{file}":                    {"/assets/portal.css", public(200)},
	"GET /assets/replaywebpage-license.txt": {"/assets/replaywebpage-license.txt", public(200)},
	"GET /healthz":                          {"/healthz", public(200)},
	"GET /readyz":                           {"/readyz", public(200)},
	"GET /":                                 {"/nowhere", public(404)},
}

// sent is what is sent to routes that take something.
var sent = map[string]string{
	"POST /cases":                                         "namespace=default&name=form-FOR&title=Ferry",
	"POST /cases/add":                                     "namespace=default&do=choose&case=mooring",
	"POST /cases/{namespace}/{name}":                      "note=seen",
	"POST /cases/{namespace}/{name}/close":                "reason=done&seen=1",
	"POST /cases/{namespace}/{name}/reopen":               "reason=more&seen=2",
	"POST /cases/{namespace}/{name}/captures/{id}":        "note=seen",
	"POST /cases/{namespace}/{name}/captures/{id}/remove": "reason=twice&seen=2",
	"POST /cases/{namespace}/{name}/keep":                 "until=2199-01-01&why=court",
	"POST /cases/{namespace}/{name}/erase":                "name=erase-FOR&why=done&seen=1",
	"POST /cases/{namespace}/{name}/selection.wacz":       "to=desk",
	"POST /cases/{namespace}/{name}/dossier.zip":          "to=desk&by=Ann",
	"POST /api/v1/cases/{namespace}/{name}/events":        `{"kind":"Noted","text":"seen"}`,
	"POST /api/v1/cases/{namespace}":                      `{"name":"json-FOR","title":"Ferry"}`,
	"POST /watches":                                       "namespace=default&kind=Gone&url=https://form.example/FOR",
	"POST /watches/seen":                                  "notice=south/WATCH/A",
	"POST /watches/end":                                   "watch=WATCH",
	"POST /api/v1/watches":                                `{"namespace":"default","url":"https://json.example/FOR"}`,
	"POST /api/v1/watches/{id}/seen":                      `{"captures":["A"]}`,
	"POST /preferences":                                   "theme=dark&back=/crawls",
	"POST /purpose":                                       "purpose=research&return=/crawls",
}

// hides is for who may see something of the namespace; the others are not told that it is there.
func hides(status int) row { return row{401, 403, 403, 404, status, status, status} }

// beside are the routes that are not in the list: those of other people's programs, of the gate, and of the origin of
// replays, where TOKEN is one for the run of A.
var beside = map[string]struct {
	path string
	row  row
}{
	"GET /cdx":                               {"/cdx?url=" + board, lists(200)},
	"GET /cdx/{namespace}/{name}/{uid}":      {"/cdx/RUN?url=" + board, hides(200)},
	"GET /cdx/warc/{chunk...}/{file}":        {"/cdx/warc/CHUNK/data.warc.gz", hides(200)},
	"GET /memento/timemap/{format}/{url...}": {"/memento/timemap/link/" + board, hides(200)},
	"GET /memento/timegate/{url...}":         {"/memento/timegate/" + board, hides(302)},
	"GET /memento/{time}/{url...}":           {"/memento/20260314130000id_/" + board, hides(200)},
	"GET /login":                             {"/login", public(303)},
	"GET /login/callback":                    {"/login/callback", public(400)},
	"POST /logout":                           {"/logout", public(200)},
	"GET /logged-out":                        {"/logged-out", public(200)},
	"GET /purpose":                           {"/purpose", owns(200)},
	"POST /purpose":                          {"/purpose", owns(303)},

	"GET REPLAY/r/{token}/{$}":               {replayOrigin + "/r/TOKEN/", public(200)},
	"GET REPLAY/r/{token}/frame.js":          {replayOrigin + "/r/TOKEN/frame.js", public(200)},
	"GET REPLAY/r/{token}/collection.json":   {replayOrigin + "/r/TOKEN/collection.json", public(200)},
	"GET REPLAY/r/{token}/wacz/{key...}":     {replayOrigin + "/r/TOKEN/wacz/CHUNK", public(206)},
	"GET REPLAY/r/{token}/replay/{$}":        {replayOrigin + "/r/TOKEN/replay/", public(200)},
	"GET REPLAY/r/{token}/replay/index.html": {replayOrigin + "/r/TOKEN/replay/index.html", public(200)},
	"GET REPLAY/r/{token}/replay/guard.js":   {replayOrigin + "/r/TOKEN/replay/guard.js", public(200)},
	"GET REPLAY/r/{token}/replay/sw.js":      {replayOrigin + "/r/TOKEN/replay/sw.js", public(200)},
	"GET REPLAY/r/{token}/replay/wabac.js":   {replayOrigin + "/r/TOKEN/replay/wabac.js", public(200)},
	"GET REPLAY/r/{token}/replay/ui.js":      {replayOrigin + "/r/TOKEN/replay/ui.js", public(200)},
	"GET REPLAY/healthz":                     {replayOrigin + "/healthz", public(200)},
	"GET REPLAY/r/{no token}/wacz/{key...}":  {replayOrigin + "/r/none/wacz/CHUNK", public(403)},
}
