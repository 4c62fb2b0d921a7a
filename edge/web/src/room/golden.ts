/** Lines of `crates/rooms/tests/golden`, for the tests. */

export const ADA = { id: "u-ada", name: "Ada", roles: ["subscriber", "vip"], level: 12 };

export const WELCOME_FRESH =
  '{"type":"welcome","version":1,"epoch":1794990000000,"seq":90,"next":41,"recovery":"fresh","snapshot":{"settings":{"slow_mode_ms":0,"restrict":[],"chat_per_second_max":0}}}';
export const WELCOME_COMPLETE =
  '{"type":"welcome","version":1,"epoch":1794990000000,"seq":90,"next":41,"recovery":"complete","sanction":{"type":"ban"}}';
export const WELCOME_NOT_RECOVERED =
  '{"type":"welcome","version":1,"epoch":1794990000000,"seq":90,"next":41,"recovery":"not_recovered","lost":{"from":30,"to":40},"snapshot":{"settings":{"slow_mode_ms":5000,"restrict":["subscriber"],"chat_per_second_max":20},"pinned":{"id":"edge-1.17","author":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"kind":"text","text":"good evening 👋","reply_to":"edge-2.4","attrs":[{"key":"lang","value":"en"}]},"sanctions":{"u-troll":{"silenced":{"type":"timeout","until_ms":1795000600000},"shadow":true}}},"sanction":{"type":"timeout","until_ms":1795000600000}}';
export const GAP = '{"type":"gap","from":30,"to":40,"messages":11}';
export const ACCEPTED = '{"type":"ack","client_id":"c-5","outcome":{"type":"accepted","seq":41,"id":"edge-1.17"}}';
export const ACCEPTED_ALONE = '{"type":"ack","client_id":"c-5","outcome":{"type":"accepted","id":"edge-1.17"}}';
export const REFUSED = '{"type":"ack","client_id":"c-5","outcome":{"type":"refused","code":"timed_out","retry_after_ms":590000}}';
export const REJECTED = '{"type":"ack","client_id":"c-5","outcome":{"type":"rejected","code":"slow-mode","message":"Wait three seconds.","retry_after_ms":3000}}';
export const HELD = '{"type":"ack","client_id":"c-5","outcome":{"type":"held"}}';
export const OWN =
  '{"type":"own","at_ms":1795000000041,"message":{"id":"edge-1.17","author":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"kind":"text","text":"good evening 👋","reply_to":"edge-2.4","attrs":[{"key":"lang","value":"en"}]}}';
export const CLOSE = '{"type":"close","code":"slow","resume":{"epoch":1794990000000,"seq":90}}';
export const EVENTS =
  '{"type":"events","epoch":1794990000000,"at_ms":1795000000100,"first":41,"last":55,"events":[{"seq":41,"at_ms":1795000000041,"media_ms":1794999992000,"body":{"type":"message","id":"edge-1.17","author":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"kind":"text","text":"good evening 👋","reply_to":"edge-2.4","attrs":[{"key":"lang","value":"en"}]}},{"seq":42,"at_ms":1795000000042,"body":{"type":"void"}},{"seq":43,"at_ms":1795000000043,"body":{"type":"gift","id":"gift-9","sender":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"recipient":"u-host","item":"rose","count":3,"points":30,"note":"bravo","combo":{"id":"combo-2","count":7,"window_ms":3000},"animation":{"asset":"rose.webp","duration_ms":1500,"layer":1,"payload":"{}"}}},{"seq":44,"at_ms":1795000000044,"body":{"type":"notice","id":"n-1","kind":"system","text":"the stream is back","payload":""}},{"seq":45,"at_ms":1795000000045,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"delete_message","id":"edge-1.17"}}},{"seq":46,"at_ms":1795000000046,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"delete_user","user":"u-troll"}}},{"seq":47,"at_ms":1795000000047,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"clear"}}},{"seq":48,"at_ms":1795000000048,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"timeout","user":"u-troll","seconds":600,"until_ms":1795000600000}}},{"seq":49,"at_ms":1795000000049,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"ban","user":"u-troll"}}},{"seq":50,"at_ms":1795000000050,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"shadow_ban","user":"u-troll"}}},{"seq":51,"at_ms":1795000000051,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"unban","user":"u-troll"}}},{"seq":52,"at_ms":1795000000052,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"shadow_unban","user":"u-troll"}}},{"seq":53,"at_ms":1795000000053,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"pin","id":"edge-1.17","message":{"id":"edge-1.17","author":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"kind":"text","text":"good evening 👋","reply_to":"edge-2.4","attrs":[{"key":"lang","value":"en"}]}}}},{"seq":54,"at_ms":1795000000054,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"unpin"}}},{"seq":55,"at_ms":1795000000055,"body":{"type":"moderation","actor":"u-mod","reason":"spam","act":{"type":"settings","patch":{"slow_mode_ms":5000,"restrict":["subscriber"],"chat_per_second_max":20,"attrs":[{"key":"emote_only","value":"on"}]}}}}]}';
export const EVENTS_DROPPED =
  '{"type":"events","epoch":1794990000000,"at_ms":1795000000100,"first":41,"last":43,"dropped":1,"events":[{"seq":43,"at_ms":1795000000043,"body":{"type":"gift","id":"gift-9","sender":{"id":"u-ada","name":"Ada","roles":["subscriber","vip"],"level":12},"recipient":"u-host","item":"rose","count":3,"points":30,"note":"bravo"}}]}';
export const STATE =
  '{"type":"state","version":8,"likes":1234,"sampled":56,"users":1,"connections":2,"audience":{"type":"everybody","members":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}]},"leaderboard":[{"id":"u-ada","name":"Ada","points":30}]}';
export const STATE_CROWD =
  '{"type":"state","version":8,"likes":1234,"sampled":56,"users":1,"connections":2,"audience":{"type":"crowd","top":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}]},"leaderboard":[{"id":"u-ada","name":"Ada","points":30}]}';
export const CHANGE = '{"type":"change","version":9,"likes":1240,"burst":6,"sampled":56,"users":1,"connections":2,"audience":{"type":"same"}}';
export const CHANGE_MOVES =
  '{"type":"change","version":9,"likes":1240,"burst":6,"sampled":56,"users":1,"connections":2,"audience":{"type":"moves","joined":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}],"left":["u-bob"],"changed":[]},"leaderboard":[{"id":"u-ada","name":"Ada","points":30}]}';
export const CHANGE_CROWD =
  '{"type":"change","version":9,"likes":1240,"burst":6,"sampled":56,"users":1,"connections":2,"audience":{"type":"crowd","top":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}],"joined":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}]}}';
export const CHANGE_ANEW =
  '{"type":"change","version":9,"likes":1240,"burst":6,"sampled":56,"users":1,"connections":2,"audience":{"type":"anew","audience":{"type":"everybody","members":[{"id":"u-ada","name":"Ada","roles":["subscriber","vip"]}]}}}';
