// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/regs.h"
#include "tests/unit/fake_target.h"

enum { WIDE_SIZE = 8 + 8 + 8 + 4 + 8 + 8 + 10 + 16 };

static struct fake_target fake;

static struct cpu_view *view(void)
{
	fake_init(&fake, 1);
	return &fake.vcpus[0].view;
}

Test(regs, numbers, .description = "registers are numbered through all features, in their order")
{
	static const char *const names[] = {
		"r0", "sp", "pc", "flags", "id", "picky", "st", "vec"
	};
	struct reg_iter it = reg_iter(&fake_wide);

	for (unsigned int i = 0; i < 8; i++) {
		const struct reg_desc *r = reg_next(&it);

		cr_assert_str_eq(r->name, names[i]);
		cr_expect_eq(it.number, i);
		cr_expect_eq(regs_find(&fake_wide, i), r);
		cr_expect_str_eq(fake_wide.features[it.feature]->annex,
				 i < 4	 ? "fake-core.xml"
				 : i < 6 ? "fake-system.xml"
					 : "fake-vector.xml");
	}
	cr_expect_null(reg_next(&it));
	cr_expect_null(regs_find(&fake_wide, 8));
	cr_expect_null(regs_find(&fake_wide, UINT64_MAX));
	cr_expect_eq(regs_size(&fake_wide), WIDE_SIZE);
	cr_expect_str_eq(regs_find_generic(&fake_wide, "pc")->name, "pc");
	cr_expect_null(regs_find_generic(&fake_narrow, "fp"));
}

Test(regs, apart, .description = "a feature with .apart is described, and is not in g")
{
	struct reg_feature last = *fake_wide.features[fake_wide.nfeatures - 1];
	const struct reg_feature *features[8];
	struct tdesc d = fake_wide;
	size_t vec = regs_size(&d);
	char text[256];
	struct buf out;

	last.apart = true;
	memcpy(features, d.features, d.nfeatures * sizeof(*features));
	features[d.nfeatures - 1] = &last;
	d.features = features;
	buf_init(&out, text, sizeof(text));
	regs_show(view(), &d, &out);
	cr_expect_eq(out.len, 2 * regs_size(&d));
	cr_expect_lt(regs_size(&d), vec);
	cr_expect_not_null(regs_find(&d, 7));
}

Test(regs, unreadable, .description = "a bank that can't be read is x, the others are values")
{
	struct cpu_view *v = view();
	char mem[2 * WIDE_SIZE];
	struct buf b;

	fake.vcpus[0].unreadable = 1 << 1;
	buf_init(&b, mem, sizeof(mem));
	regs_show(v, &fake_wide, &b);
	cr_assert_eq(b.len, 2 * WIDE_SIZE);
	cr_expect_eq(memcmp(mem, "1111000000000000", 16), 0);
	cr_expect_eq(memcmp(mem + 2 * 44, "xxxxxxxxxxxxxxxxxxxx00", 22), 0);
	cr_expect_null(reg_value(v, regs_find(&fake_wide, 6)));
}

Test(regs, set,
     .description = "a write reaches the state and marks its bank; a refused one changes nothing")
{
	struct cpu_view *v = view();
	struct fake_vcpu *c = &fake.vcpus[0];
	uint64_t x = 0x123;

	cr_expect_eq(reg_set(v, regs_find(&fake_wide, 2), &x), 0);
	cr_expect(c->state.pc == x && c->dirty == 1);
	cr_expect_eq(reg_set(v, regs_find(&fake_wide, 4), &x), -EACCES);
	cr_expect_eq(reg_set(v, regs_find(&fake_wide, 5), &x), -EINVAL);
	cr_expect(c->state.id == 0x1d00 && c->state.picky == 0);
	c->unreadable = 1 << 2;
	cr_expect_eq(reg_set(v, regs_find(&fake_wide, 7), c->state.vec), -EIO);
	cr_expect_eq(c->dirty, 1);
}

Test(regs, set_all,
     .description = "G changes what differs, passes over what is read-only or unreadable")
{
	struct cpu_view *v = view();
	struct fake_vcpu *c = &fake.vcpus[0];
	uint8_t values[WIDE_SIZE];
	const struct reg_desc *refused;

	memset(values, 0x11, sizeof(values));
	memset(values + 36, 0, 8);
	values[36] = 0x42;
	c->unreadable = 1 << 2;
	cr_expect_eq(regs_set(v, &fake_wide, values, &refused), 0);
	cr_expect(c->state.r0 == 0x1111111111111111 && c->state.flags == 0x11111111);
	cr_expect(c->state.id == 0x1d00 && c->state.picky == 0x42 && c->state.st[9] == 0x11);
	cr_expect_eq(c->state.vec[0], 0);
	cr_expect_eq(c->dirty, 1 | 2);
}

Test(regs, set_all_refused,
     .description = "G that one register refuses leaves all others as they were")
{
	struct cpu_view *v = view();
	struct fake_state before = fake.vcpus[0].state;
	uint8_t values[WIDE_SIZE];
	const struct reg_desc *refused = NULL;

	memset(values, 0x11, sizeof(values));
	cr_expect_eq(regs_set(v, &fake_wide, values, &refused), -EINVAL);
	cr_assert_not_null(refused);
	cr_expect_str_eq(refused->name, "picky");
	cr_expect_eq(memcmp(&before, &fake.vcpus[0].state, sizeof(before)), 0);
}

static const char *xml(const struct tdesc *d, const char *annex)
{
	static char mem[4096];
	struct buf b;

	buf_init(&b, mem, sizeof(mem) - 1);
	if (regs_xml(d, annex, strlen(annex), &b) < 0)
		return NULL;
	cr_assert(!b.over);
	mem[b.len] = '\0';
	return mem;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

Test(regs, xml,
     .description = "target.xml includes each feature's file, and each has its registers")
{
	const char *x = xml(&fake_wide, "target.xml");

	cr_expect(has(x, "<architecture>fake:wide</architecture>") && !has(x, "osabi"));
	cr_expect(has(x, "href=\"fake-core.xml\"") && has(x, "href=\"fake-vector.xml\""));
	x = xml(&fake_narrow, "target.xml");
	cr_expect(has(x, "<osabi>none</osabi>") && !has(x, "fake-vector.xml"));
	x = xml(&fake_wide, "fake-core.xml");
	cr_expect(has(x, "<feature name=\"org.vmgdb.fake.core\">") && has(x, "<flags id="));
	cr_expect(
		has(x, "name=\"pc\" bitsize=\"64\" regnum=\"2\" type=\"code_ptr\" generic=\"pc\""));
	x = xml(&fake_wide, "fake-system.xml");
	cr_expect(has(
		x, "name=\"id\" bitsize=\"64\" regnum=\"4\" group=\"system\" save-restore=\"no\""));
	x = xml(&fake_wide, "fake-vector.xml");
	cr_expect(has(x, "name=\"st\" bitsize=\"80\" regnum=\"6\" type=\"i387_ext\""));
	cr_expect_null(xml(&fake_wide, "other.xml"));
	cr_expect_null(xml(&fake_narrow, "fake-vector.xml"));
	cr_expect_null(xml(&fake_wide, "target.xmlx"));
	cr_expect_null(xml(&fake_wide, ""));
}
