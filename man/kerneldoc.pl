#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# kerneldoc.pl HEADER...: the kernel-doc of the public headers as mdoc, in their order.
use strict;
use warnings;

my ($doc, $in_doc, $open, $decl) = ('', 0, 0, '');

sub mdoc {
	my ($text) = @_;
	$text =~ s/\\/\\e/g;
	$text =~ s/@(\w+)/$1/g;
	$text =~ s/`([^`]*)`/$1/g;
	$text =~ s/^([.'])/\\&$1/mg;
	$text =~ s/^ +//mg;
	# mdoc wants each sentence on its own line.
	$text =~ s/([A-Za-z0-9)'])([.?]) (?=[A-Z@])/$1$2\n/g;
	return $text;
}

# "name - brief", "@param: …", paragraphs, "Return: …", "Since: …"
sub entry {
	my ($prototype) = @_;
	my (@params, @body, $since);
	$prototype =~ s/\s+/ /g;
	$prototype =~ s/;$//;
	my @lines = split /\n/, $doc;
	my $brief = shift @lines;
	# A comment of one line has everything in it.
	if ($brief =~ s/\s*(Return: .*)//) { unshift @lines, '', $1; }
	if ($brief =~ s/\s*(Since: [0-9.]+)//) { push @lines, $1; }
	$brief =~ s/^\S+ - //;
	$brief =~ s/\.$//;
	my $where = 'brief';
	for (@lines) {
		if (s/\s*Since: ([0-9.]+)\s*$//) { $since = $1; next if $_ eq ''; }
		if (/^\@(\w+): (.*)/) { push @params, [$1, $2]; $where = 'param'; next; }
		if (/^\s*$/) { push @body, '' if @body; $where = 'body'; next; }
		if (/^Return:/) { push @body, '' if @body && $body[-1] ne ''; push @body, $_; $where = 'body'; next; }
		if ($where eq 'param') { s/^\s+//; $params[-1][1] .= "\n$_"; next; }
		if ($where eq 'brief') { $brief .= "\n$_"; next; }
		push @body, $_;
		$where = 'body';
	}
	print ".It Li \"", mdoc($prototype), "\"\n", mdoc(ucfirst $brief), $brief =~ /[.?]$/ ? "\n" : ".\n";
	if (@params) {
		print ".Bl -tag -width \"max_priority\" -compact\n";
		print ".It Fa $_->[0]\n", mdoc($_->[1]), "\n" for @params;
		print ".El\n";
	}
	pop @body while @body && $body[-1] eq '';
	if (@body) {
		print ".Pp\n";
		print $_ eq '' ? ".Pp\n" : mdoc($_) . "\n" for @body;
	}
	print "Since $since.\n" if defined $since;
}

while (<>) {
	chomp;
	if (/^\/\* ---- (.*?) -+ \*\/$/) {
		print ".El\n" if $open;
		print ".Ss ", ucfirst $1, "\n.Bl -tag -width Ds\n";
		$open = 1;
	} elsif (m{^/\*\* (.*?) \*/$}) {
		$doc = $1;
	} elsif (m{^/\*\*\s*(.*)$}) {
		($doc, $in_doc) = ($1, 1);
	} elsif ($in_doc) {
		if (m{\*/}) { $in_doc = 0; $doc =~ s/^\n+//; next; }
		s/^ \* ?//;
		$doc .= "\n$_";
	} elsif ($decl ne '' || (/^[a-z]/ && !/^typedef/ && (/\bvfiopm_\w+\(/ || /^[\w ]+\*$/))) {
		$decl .= ($decl eq '' ? '' : ' ') . $_;
		if (/;\s*$/) { entry($decl); ($decl, $doc) = ('', ''); }
	}
}
print ".El\n" if $open;
