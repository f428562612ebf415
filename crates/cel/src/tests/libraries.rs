//! Kubernetes' own functions.

use expect_test::expect;

use super::check;

#[test]
fn texts() {
    check(
        &[
            "'hello'.charAt(1)",
            "'tacocat'.indexOf('c', 3)",
            "'tacocat'.lastIndexOf('a')",
            "'A,b'.lowerAscii().split(',')",
            "'a.b.c'.split('.', 2)",
            "['a', 'b'].join('-')",
            "'x'.replace('', '_')",
            "'héllo'.substring(1, 3)",
            "' a '.trim()",
            "size('ü')",
            "'abc'.contains('bc') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
            "'%s has %d of %.2f: %s, 0x%x'.format(['web', 3, 1.5, [1, 2], 255])",
            "'%d'.format(['a'])",
            "strings.quote('a\"b')",
            "'a1b22'.findAll('[0-9]+')",
            "'v1.2'.matches('^v[0-9.]+$')",
        ],
        expect![[r#"
            'hello'.charAt(1) => "e"
            'tacocat'.indexOf('c', 3) => 4
            'tacocat'.lastIndexOf('a') => 5
            'A,b'.lowerAscii().split(',') => ["a","b"]
            'a.b.c'.split('.', 2) => ["a","b.c"]
            ['a', 'b'].join('-') => "a-b"
            'x'.replace('', '_') => "_x_"
            'héllo'.substring(1, 3) => "él"
            ' a '.trim() => "a"
            size('ü') => 1
            'abc'.contains('bc') && 'abc'.startsWith('a') && 'abc'.endsWith('c') => true
            '%s has %d of %.2f: %s, 0x%x'.format(['web', 3, 1.5, [1, 2], 255]) => no expression: ERROR: <input>:1:46: expected type 'string' but found 'int'
            '%d'.format(['a']) => failed: error during formatting: decimal clause can only be used on integers, was given string
            strings.quote('a"b') => "\"a\\\"b\""
            'a1b22'.findAll('[0-9]+') => ["1","22"]
            'v1.2'.matches('^v[0-9.]+$') => true
        "#]],
    );
}

#[test]
fn lists_and_sets() {
    check(
        &[
            "[1, 2, 3].sum()",
            "[1.5, 2.5].sum()",
            "[3, 1].min()",
            "[].max()",
            "[1, 2].isSorted()",
            "['a', 'b'].indexOf('b')",
            "[1, 2, 3, 4].slice(1, 3)",
            "[[1], [2, [3]]].flatten()",
            "[1, 2, 1].distinct()",
            "[2, 1].sort()",
            "lists.range(3)",
            "[1, 2].first().value()",
            "sets.contains([1, 2], [1])",
            "sets.equivalent([1, 2], [2, 1, 1])",
            "sets.intersects([1], [2])",
        ],
        expect![[r#"
            [1, 2, 3].sum() => 6
            [1.5, 2.5].sum() => 4
            [3, 1].min() => 1
            [].max() => failed: max called on empty list
            [1, 2].isSorted() => true
            ['a', 'b'].indexOf('b') => 1
            [1, 2, 3, 4].slice(1, 3) => [2,3]
            [[1], [2, [3]]].flatten() => no expression: ERROR: <input>:1:11: expected type 'int' but found 'list(int)'
            [1, 2, 1].distinct() => [1,2]
            [2, 1].sort() => [1,2]
            lists.range(3) => [0,1,2]
            [1, 2].first().value() => 1
            sets.contains([1, 2], [1]) => true
            sets.equivalent([1, 2], [2, 1, 1]) => true
            sets.intersects([1], [2]) => false
        "#]],
    );
}

#[test]
fn addresses_and_urls() {
    check(
        &[
            "ip('10.0.0.1').family()",
            "isIP('::1') && !isIP('10.0.0')",
            "ip('127.0.0.1').isLoopback()",
            "ip.isCanonical('::0001')",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3')",
            "cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
            "cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16')",
            "string(cidr('10.1.2.3/16').ip())",
            "ip('nope')",
            "url('https://user@example.com:8080/a b?x=1&x=2').getHost()",
            "url('https://[::1]:80/p').getHostname()",
            "url('https://a/b?x=1&x=%202')",
            "url('https://a/b?x=1&x=%202').getQuery()",
            "isURL('../x')",
            "type(ip('::1')) == net.IP",
        ],
        expect![[r#"
            ip('10.0.0.1').family() => 4
            isIP('::1') && !isIP('10.0.0') => true
            ip('127.0.0.1').isLoopback() => true
            ip.isCanonical('::0001') => false
            cidr('10.0.0.0/8').containsIP('10.1.2.3') => true
            cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16')) => true
            cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16') => true
            string(cidr('10.1.2.3/16').ip()) => "10.1.2.3"
            ip('nope') => failed: IP Address "nope" parse error during conversion from string
            url('https://user@example.com:8080/a b?x=1&x=2').getHost() => "example.com:8080"
            url('https://[::1]:80/p').getHostname() => "::1"
            url('https://a/b?x=1&x=%202') => Url(Url { scheme: "https", host: "a", path: "/b", query: "x=1&x=%202" })
            url('https://a/b?x=1&x=%202').getQuery() => {"x":["1"," 2"]}
            isURL('../x') => false
            type(ip('::1')) == net.IP => true
        "#]],
    );
}

#[test]
fn amounts_versions_and_formats() {
    check(
        &[
            "quantity('1Gi').isGreaterThan(quantity('1G'))",
            "quantity('50k').add(20).asInteger()",
            "quantity('500m').isInteger()",
            "isQuantity('1GB')",
            "quantity('1').compareTo(quantity('1000m'))",
            "semver('1.2.3').isLessThan(semver('1.10.0'))",
            "semver('v1.02', true).minor()",
            "isSemver('v1')",
            "format.dns1123Label().validate('Not.A.Label').hasValue()",
            "format.dns1123Label().validate('label').hasValue()",
            "format.named('uuid').hasValue()",
            "type(quantity('1')) == kubernetes.Quantity",
        ],
        expect![[r#"
            quantity('1Gi').isGreaterThan(quantity('1G')) => true
            quantity('50k').add(20).asInteger() => 50020
            quantity('500m').isInteger() => false
            isQuantity('1GB') => false
            quantity('1').compareTo(quantity('1000m')) => 0
            semver('1.2.3').isLessThan(semver('1.10.0')) => true
            semver('v1.02', true).minor() => 2
            isSemver('v1') => false
            format.dns1123Label().validate('Not.A.Label').hasValue() => true
            format.dns1123Label().validate('label').hasValue() => false
            format.named('uuid').hasValue() => true
            type(quantity('1')) == kubernetes.Quantity => true
        "#]],
    );
}

#[test]
fn moments_and_spans() {
    check(
        &[
            "duration('1h30m') == duration('90m')",
            "string(duration('1500ms'))",
            "timestamp('2026-03-01T00:00:00Z') - duration('24h')",
            "timestamp('2026-03-01T00:30:00Z').getDayOfWeek()",
            "timestamp('2026-03-01T00:30:00Z').getHours('America/New_York')",
            "timestamp('2026-03-01T00:30:00Z').getHours('+02:00')",
            "timestamp('2026-03-01T00:30:00Z') > timestamp('2026-02-28T00:30:00Z')",
            "duration('-1.5s').getSeconds()",
            "int(timestamp('1970-01-01T00:01:00Z'))",
        ],
        expect![[r#"
            duration('1h30m') == duration('90m') => true
            string(duration('1500ms')) => "1.5s"
            timestamp('2026-03-01T00:00:00Z') - duration('24h') => "2026-02-28T00:00:00Z"
            timestamp('2026-03-01T00:30:00Z').getDayOfWeek() => 0
            timestamp('2026-03-01T00:30:00Z').getHours('America/New_York') => 19
            timestamp('2026-03-01T00:30:00Z').getHours('+02:00') => 2
            timestamp('2026-03-01T00:30:00Z') > timestamp('2026-02-28T00:30:00Z') => true
            duration('-1.5s').getSeconds() => -1
            int(timestamp('1970-01-01T00:01:00Z')) => 60
        "#]],
    );
}

#[test]
fn types_and_conversions() {
    check(
        &[
            "type(1) == int && type('a') == string && type([]) == list",
            "int('42') + int(3.9) + int(2u)",
            "double('1.5') + double(1)",
            "string(1.0) + string(true) + string(b'x')",
            "uint(-1)",
            "bool('true')",
            "1 == 1.0",
            "dyn(1) == dyn(1.0)",
            "1 < 1.5",
            "dyn(null) == null",
            "{1: 'a'}[1] + {2u: 'b'}[2u]",
        ],
        expect![[r#"
            type(1) == int && type('a') == string && type([]) == list => true
            int('42') + int(3.9) + int(2u) => 47
            double('1.5') + double(1) => 2.5
            string(1.0) + string(true) + string(b'x') => "1truex"
            uint(-1) => failed: unsigned integer overflow
            bool('true') => true
            1 == 1.0 => no expression: ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, double)'
            dyn(1) == dyn(1.0) => true
            1 < 1.5 => true
            dyn(null) == null => true
            {1: 'a'}[1] + {2u: 'b'}[2u] => "ab"
        "#]],
    );
}
