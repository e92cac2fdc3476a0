/** Lua that runs inside Redis: each script is one transaction, and can be run again. */

/** Side keys of a restore; gone when it ends. */
export const MARKER_KEY = 'lifeboat';
export const FOLDERS_KEY = 'lifeboatFolders';
export const RULES_KEY = 'lifeboatRules';
/** Numbers of the pages of slices that were seen, and each page: a bit for each id. Only what is seen again has a field in sliceRef. */
export const SLICES_KEY = 'lifeboatSlices';

/**
 * Names of inodes, and each inode unless it is there, in columns as redis-pack.ts packs them: commands take many keys at once. What is
 * new is asked for first; of the sums that the client made is then taken what was there. A file that is there gets another
 * parent: the parents are then counted in p<inode>, as decimal text; numbers of Lua end at 2^53, so the 64 bits of a parent are put into
 * text by halves. ARGV: prefix, and the columns as MessagePack. Answers how many names were new.
 */
export const PUT = `
local p = ARGV[1]
local folders, edges, inodes, attrs, kinds, sizes, targets, xattrs, chunks, pages, totals = unpack(cmsgpack.unpack(ARGV[2]))
local MANY = 1000
local fresh = 0
local function number(attr, from) return ((attr:byte(from) * 256 + attr:byte(from + 1)) * 256 + attr:byte(from + 2)) * 256 + attr:byte(from + 3) end
local function bytes(n) return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256) end
local function add(stat, field, value) redis.call('HINCRBY', p .. stat, field, value) end
local function stats(folder, length, space, count)
  add('dirDataLength', folder, length)
  add('dirUsedSpace', folder, space)
  add('dirUsedInodes', folder, count)
end
-- Redis does not take -0 for a number.
local function less(value) return value == '0' and value or '-' .. value end
-- Lengths and spaces one by one: only needed where not all is new.
local lengths, spaces
local function split()
  if lengths then return end
  lengths, spaces = {}, {}
  for length, space in sizes:gmatch('(%d+) (%d+)') do
    lengths[#lengths + 1] = length
    spaces[#spaces + 1] = space
  end
end

-- Which inodes are new: the first name of each makes it.
local made, there = {}, {}
for from = 1, #inodes, MANY do
  local to = math.min(from + MANY - 1, #inodes)
  local found = redis.call('MGET', unpack(inodes, from, to))
  local fields = {}
  for i = from, to do
    local key = inodes[i]
    if not found[i - from + 1] and not there[key] then
      there[key] = true
      made[i] = true
      local at = #fields
      fields[at + 1], fields[at + 2] = key, attrs[i]
    end
  end
  if #fields > 0 then redis.call('MSET', unpack(fields)) end
end

-- Another name of what was there.
local function link(i, parent, type)
  local key = inodes[i]
  local attr = redis.call('GET', key)
  if math.floor(attr:byte(2) / 16) ~= type then redis.call('HINCRBY', p .. '${MARKER_KEY}', 'mistyped', 1) end
  if type == 2 then return redis.call('HINCRBY', p .. '${MARKER_KEY}', 'doubled', 1) end
  local high, low = number(attr, 64), number(attr, 68)
  local parents = p .. 'p' .. key:sub(#p + 2)
  if high ~= 0 or low ~= 0 then
    local h1, h0 = math.floor(high / 1e7), high % 1e7
    local c0, c1, c2 = h0 * 4967296 + low, h1 * 4967296 + h0 * 429, h1 * 429
    c1 = c1 + math.floor(c0 / 1e7)
    c0 = c0 % 1e7
    c2 = c2 + math.floor(c1 / 1e7)
    c1 = c1 % 1e7
    local before = string.format('%.0f%07.0f%07.0f', c2, c1, c0):gsub('^0+', '')
    redis.call('HINCRBY', parents, before, 1)
  end
  redis.call('HINCRBY', parents, parent, 1)
  redis.call('SET', key, attr:sub(1, 47) .. bytes(number(attr, 48) + 1) .. attr:sub(52, 63) .. string.rep('\\0', 8) .. attr:sub(72))
end

-- Names, folder by folder; the roots have none. A name of an inode that was just made is new, too.
for _, folder in ipairs(folders) do
  local parent, first, count, within, sumLength, sumSpace, sumFolders = unpack(folder)
  local key = p .. 'd' .. parent
  local old = {}
  for i = first, first + count - 1 do
    if not made[i] then old[#old + 1] = i end
  end
  local known = {}
  for from = 1, #old, MANY do
    local names = {}
    for at = from, math.min(from + MANY - 1, #old) do names[#names + 1] = edges[2 * old[at] - 1] end
    for at, value in ipairs(redis.call('HMGET', key, unpack(names))) do known[old[from + at - 1]] = value end
  end
  for from = first, first + count - 1, MANY do
    fresh = fresh + redis.call('HSET', key, unpack(edges, 2 * from - 1, 2 * math.min(from + MANY - 1, first + count - 1)))
  end
  stats(parent, sumLength, sumSpace, count)
  if sumFolders > 0 then add('${FOLDERS_KEY}', parent, sumFolders) end
  for _, i in ipairs(old) do
    local type = edges[2 * i]:byte(1)
    if known[i] then
      split()
      stats(parent, less(lengths[i]), less(spaces[i]), -1)
      if type == 2 and within == 1 then add('${FOLDERS_KEY}', parent, -1) end
    else
      link(i, parent, type)
    end
  end
end

-- What else an inode has; a row begins with the place of its name, and its key.
for _, row in ipairs(targets) do
  if made[row[1]] then redis.call('SET', row[2], row[3]) end
end
for _, row in ipairs(xattrs) do
  if made[row[1]] then
    for i = 3, #row, 2 do redis.call('HSET', row[2], row[i], row[i + 1]) end
  end
end
-- Chunks, all in one row: the place of a name, a key, how many slices, and these.
local call, at = redis.call, 1
while at <= #chunks do
  local key, first, last = chunks[at + 1], at + 3, at + 2 + chunks[at + 2]
  if made[chunks[at]] then
    if first == last then
      call('RPUSH', key, chunks[first])
    else
      for from = first, last, MANY do call('RPUSH', key, unpack(chunks, from, math.min(from + MANY - 1, last))) end
    end
  end
  at = last + 1
end
for _, page in ipairs(pages) do
  local key = p .. '${SLICES_KEY}' .. page[1]
  redis.call('SADD', p .. '${SLICES_KEY}', page[1])
  for from = 2, #page, 3 * MANY do
    local bits, fields = {}, {}
    for i = from, math.min(from + 3 * MANY - 3, #page), 3 do
      if made[page[i]] then
        local at = #bits
        bits[at + 1], bits[at + 2], bits[at + 3], bits[at + 4] = 'SET', 'u1', page[i + 1], '1'
        fields[#fields + 1] = page[i + 2]
      end
    end
    if #bits > 0 then
      for i, seen in ipairs(redis.call('BITFIELD', key, unpack(bits))) do
        if seen == 1 then redis.call('HINCRBY', p .. 'sliceRef', fields[i], 1) end
      end
    end
  end
end

-- Totals, less what was there; statistics of folders that hold nothing yet.
redis.call('INCRBY', p .. 'usedSpace', totals[1])
redis.call('INCRBY', p .. 'totalInodes', totals[2])
for i = 1, #inodes do
  if not made[i] and kinds:byte(i) == 49 then
    split()
    redis.call('DECRBY', p .. 'usedSpace', spaces[i])
    redis.call('DECR', p .. 'totalInodes')
  end
end
for _, i in ipairs(totals[3]) do
  if made[i] then stats(inodes[i]:sub(#p + 2), 0, 0, 0) end
end
return fresh`;

/** The number of an access rule, a new one when it is not known. ARGV: prefix, rule. */
export const NUMBER_RULE = `
local p = ARGV[1]
local known = redis.call('HGET', p .. '${RULES_KEY}', ARGV[2])
if known then return tonumber(known) end
local number = redis.call('INCR', p .. 'aclMaxId')
redis.call('HSET', p .. 'acl', number, ARGV[2])
redis.call('HSET', p .. '${RULES_KEY}', ARGV[2], number)
return number`;

/** Sets the links of a folder. ARGV: prefix, inode, links. */
export const SET_LINKS = `
local key = ARGV[1] .. 'i' .. ARGV[2]
local attr = redis.call('GET', key)
if not attr then return 0 end
local links = tonumber(ARGV[3])
local bytes = string.char(math.floor(links / 16777216) % 256, math.floor(links / 65536) % 256, math.floor(links / 256) % 256, links % 256)
redis.call('SET', key, attr:sub(1, 47) .. bytes .. attr:sub(52))
return 1`;

/** Raises a field of the marker, a number as text. ARGV: prefix, field, value. */
export const RAISE = `
local key = ARGV[1] .. '${MARKER_KEY}'
local known = redis.call('HGET', key, ARGV[2])
if not known or #ARGV[3] > #known or (#ARGV[3] == #known and ARGV[3] > known) then redis.call('HSET', key, ARGV[2], ARGV[3]) end
return 1`;
