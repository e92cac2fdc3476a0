import { describe, expect, it } from 'vitest';
import { compileExpression } from '../../../src/local/asl/expression.ts';

const references = (source: string) => compileExpression(`{% ${source} %}`).references;

describe('what an expression refers to', () => {
  it.each<[string, string[]]>([
    ['$a.b & $c', ['a', 'c']],
    ['$states.input.x', ['states']],
    ['($x := $a; $x + $y)', ['a', 'y']],
    ['$map($list, function($v, $i) { $v + $i + $z })', ['list', 'map', 'z']],
    ['($f := function($n) { $n = 0 ? 1 : $n * $f($n - 1) }; $f(3))', []],
    ['$list[$ > $limit]', ['limit', 'list']],
    ['$orders@$o.$items@$i[$i.id = $o.id].{ "a": $o.id, "b": $n }', ['items', 'n', 'orders']],
    ['$list#$k.{ "k": $k, "o": $other }', ['list', 'other']],
    ['$list^(>$weight)', ['list', 'weight']],
    ['{ $key: $value }', ['key', 'value']],
    ['$a ? $b : $c', ['a', 'b', 'c']],
    ['$a ~> $sum', ['a', 'sum']],
    ['$a ~> |items|{ "n": $n }|', ['a', 'n']],
    ['[$from..$to]', ['from', 'to']],
  ])('%s', (source, names) => {
    expect([...references(source).names].sort()).toEqual(names);
  });

  it('knows a name of a block only within it', () => {
    expect(references('($x := 1; $x) + $x').names).toEqual(['x']);
  });

  it('calls a variable optional where only its existence is asked', () => {
    expect(references('$exists($failure)')).toMatchObject({ names: ['exists'], optional: ['failure'] });
    expect(references('$exists($failure) and $failure.x = $y')).toMatchObject({ names: ['exists', 'y'], optional: ['failure'] });
    expect(references('($exists($a) and $exists($b)) ? $a & $b : null').optional).toEqual(['a', 'b']);
  });

  it('does not where nothing has been asked', () => {
    expect(references('$exists($a) ? 1 : $a').names).toContain('a');
    expect(references('$exists($a) or $a').names).toContain('a');
    expect(references('$not($exists($a)) ? $a : 1').names).toContain('a');
    expect(references('$exists($a.b) ? $a.c : 1').names).toContain('a');
  });

  it('finds fields that are looked up in nothing', () => {
    expect(references('input.x').rootless).toEqual(['input']);
    expect(references('$states.input.x[y = 1].z').rootless).toEqual([]);
    expect(references('$states.input.{ "a": b }').rootless).toEqual([]);
  });

  it('finds what is read of $states', () => {
    expect(references('$states.context.Map.Item.Index + $states.input').states).toEqual(['context.Map', 'input']);
    expect(references('$string($states.errorOutput.Cause)').states).toEqual(['errorOutput.Cause']);
  });
});
