std = "lua51"
max_line_length = 140

-- What Redis gives to every script. The locals that the fragments share are added by scripts/check-lua.mjs.
read_globals = { "redis", "cjson", "cmsgpack", "struct", "bit", "KEYS", "ARGV" }
