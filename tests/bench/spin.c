// SPDX-License-Identifier: MIT
/* The program that gdbserver debugs: it does what guest.S does, and has 2 MiB of data. */
char room[2 << 20] = { 1 };

void leaf(void);
void other(void);

void leaf(void)
{
	__asm__ volatile("");
}

void other(void)
{
	__asm__ volatile("");
}

int main(void)
{
	for (;;) {
		leaf();
		other();
	}
}
