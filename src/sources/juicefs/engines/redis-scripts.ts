/** Lua that runs inside Redis: each script is one transaction, and can be run again. */

/** Side keys of a restore; gone when it ends. */
export const MARKER_KEY = 'lifeboat';
export const FOLDERS_KEY = 'lifeboatFolders';
export const RULES_KEY = 'lifeboatRules';

/**
 * One name of an inode, and the inode unless it is there. A file that is there gets another parent: the parents are then counted in
 * p<inode>, as decimal text; numbers of Lua end at 2^53, so the 64 bits of a parent are put into text by halves.
 * ARGV: prefix, root, parent, name, edge, inode, attr, folder, counted (in totals), space, length, parent counts folders, symlink,
 * xattrs, then their names and values, chunks, and for each its index, slices, and for each its bytes and its field in sliceRef.
 */
export const PUT = `
local p, root, parent, name, ino = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local folder = ARGV[8] == '1'
local fresh = 0
if root == '0' then
  fresh = redis.call('HSETNX', p .. 'd' .. parent, name, ARGV[5])
  if fresh == 1 then
    redis.call('HINCRBY', p .. 'dirDataLength', parent, ARGV[11])
    redis.call('HINCRBY', p .. 'dirUsedSpace', parent, ARGV[10])
    redis.call('HINCRBY', p .. 'dirUsedInodes', parent, 1)
    if folder and ARGV[12] == '1' then redis.call('HINCRBY', p .. '${FOLDERS_KEY}', parent, 1) end
  end
end
local key = p .. 'i' .. ino
local attr = redis.call('GET', key)
if not attr then
  redis.call('SET', key, ARGV[7])
  if folder then
    for _, stat in ipairs({'dirDataLength', 'dirUsedSpace', 'dirUsedInodes'}) do redis.call('HINCRBY', p .. stat, ino, 0) end
  end
  if ARGV[9] == '1' then
    redis.call('INCRBY', p .. 'usedSpace', ARGV[10])
    redis.call('INCR', p .. 'totalInodes')
  end
  if ARGV[13] ~= '' then redis.call('SET', p .. 's' .. ino, ARGV[13]) end
  local at = 15
  for _ = 1, tonumber(ARGV[14]) do
    redis.call('HSET', p .. 'x' .. ino, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  local chunks = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, chunks do
    local list = p .. 'c' .. ino .. '_' .. ARGV[at]
    local slices = tonumber(ARGV[at + 1])
    at = at + 2
    for _ = 1, slices do
      redis.call('RPUSH', list, ARGV[at])
      if ARGV[at + 1] ~= '' and redis.call('HSETNX', p .. 'sliceRef', ARGV[at + 1], 0) == 0 then
        redis.call('HINCRBY', p .. 'sliceRef', ARGV[at + 1], 1)
      end
      at = at + 2
    end
  end
elseif fresh == 1 and not folder then
  local function number(from) return ((attr:byte(from) * 256 + attr:byte(from + 1)) * 256 + attr:byte(from + 2)) * 256 + attr:byte(from + 3) end
  local high, low = number(64), number(68)
  local parents = p .. 'p' .. ino
  if high ~= 0 or low ~= 0 then
    local h1, h0 = math.floor(high / 1e7), high % 1e7
    local c0, c1, c2 = h0 * 4967296 + low, h1 * 4967296 + h0 * 429, h1 * 429
    c1 = c1 + math.floor(c0 / 1e7)
    c0 = c0 % 1e7
    c2 = c2 + math.floor(c1 / 1e7)
    c1 = c1 % 1e7
    local text = string.format('%.0f%07.0f%07.0f', c2, c1, c0):gsub('^0+', '')
    redis.call('HINCRBY', parents, text, 1)
  end
  redis.call('HINCRBY', parents, parent, 1)
  local links = number(48) + 1
  local bytes = string.char(math.floor(links / 16777216) % 256, math.floor(links / 65536) % 256, math.floor(links / 256) % 256, links % 256)
  redis.call('SET', key, attr:sub(1, 47) .. bytes .. attr:sub(52, 63) .. string.rep('\\0', 8) .. attr:sub(72))
elseif fresh == 1 and folder then
  redis.call('HINCRBY', p .. '${MARKER_KEY}', 'doubled', 1)
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
