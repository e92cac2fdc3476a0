/** Lua that runs inside Redis: each script is one transaction, and can be run again. */

/** Side keys of a restore; gone when it ends. */
export const MARKER_KEY = 'lifeboat';
export const FOLDERS_KEY = 'lifeboatFolders';
export const RULES_KEY = 'lifeboatRules';
/** Slices that were seen: only what is seen again has a field in sliceRef. */
export const SLICES_KEY = 'lifeboatSlices';

/**
 * Names of inodes, and each inode unless it is there. A file that is there gets another parent: the parents are then counted in
 * p<inode>, as decimal text; numbers of Lua end at 2^53, so the 64 bits of a parent are put into text by halves.
 * ARGV: prefix, and a MessagePack list of names as redis-pack.ts packs them. Answers how many were new.
 */
export const PUT = `
local p = ARGV[1]
local fresh, usedSpace, inodes = 0, 0, 0
local sums = { dirDataLength = {}, dirUsedSpace = {}, dirUsedInodes = {}, ${FOLDERS_KEY} = {} }
local exact = 2 ^ 52
local function number(attr, from) return ((attr:byte(from) * 256 + attr:byte(from + 1)) * 256 + attr:byte(from + 2)) * 256 + attr:byte(from + 3) end
local function bytes(n) return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256) end
local function text(n) return string.format('%.0f', n) end
local function add(stat, field, value)
  local sum = (sums[stat][field] or 0) + tonumber(value)
  if sum < exact then
    sums[stat][field] = sum
  else
    redis.call('HINCRBY', p .. stat, field, value)
  end
end
local function put(root, parent, name, edge, ino, stored, folder, counted, space, length, counts, symlink, xattrs, chunks)
  local new = 0
  if root == 0 then
    new = redis.call('HSETNX', p .. 'd' .. parent, name, edge)
    if new == 1 then
      add('dirDataLength', parent, length)
      add('dirUsedSpace', parent, space)
      add('dirUsedInodes', parent, 1)
      if folder == 1 and counts == 1 then add('${FOLDERS_KEY}', parent, 1) end
    end
  end
  local key = p .. 'i' .. ino
  if redis.call('SET', key, stored, 'NX') then
    if folder == 1 then
      for _, stat in ipairs({'dirDataLength', 'dirUsedSpace', 'dirUsedInodes'}) do add(stat, ino, 0) end
    end
    if counted == 1 then
      inodes = inodes + 1
      if usedSpace + tonumber(space) < exact then usedSpace = usedSpace + tonumber(space) else redis.call('INCRBY', p .. 'usedSpace', space) end
    end
    if symlink ~= '' then redis.call('SET', p .. 's' .. ino, symlink) end
    for i = 1, #xattrs, 2 do redis.call('HSET', p .. 'x' .. ino, xattrs[i], xattrs[i + 1]) end
    for i = 1, #chunks, 3 do
      local list, slices, fields = p .. 'c' .. ino .. '_' .. chunks[i], chunks[i + 1], chunks[i + 2]
      for from = 1, #slices, 1000 do redis.call('RPUSH', list, unpack(slices, from, math.min(from + 999, #slices))) end
      for _, field in ipairs(fields) do
        if redis.call('SADD', p .. '${SLICES_KEY}', field) == 0 then redis.call('HINCRBY', p .. 'sliceRef', field, 1) end
      end
    end
  elseif new == 1 and folder == 0 then
    local attr = redis.call('GET', key)
    local high, low = number(attr, 64), number(attr, 68)
    local parents = p .. 'p' .. ino
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
  elseif new == 1 then
    redis.call('HINCRBY', p .. '${MARKER_KEY}', 'doubled', 1)
  end
  return new
end
for _, one in ipairs(cmsgpack.unpack(ARGV[2])) do fresh = fresh + put(unpack(one)) end
for stat, fields in pairs(sums) do
  for field, sum in pairs(fields) do redis.call('HINCRBY', p .. stat, field, text(sum)) end
end
redis.call('INCRBY', p .. 'usedSpace', text(usedSpace))
redis.call('INCRBY', p .. 'totalInodes', text(inodes))
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
