/* The agent inside a sandbox that answers file requests as the guest (protocol/PROTOCOL.md, "Files"). */
#ifndef CAISSON_FILES_H
#define CAISSON_FILES_H

/* Serves requests on `fd` until it closes: each message is u32 length + record, each answer likewise. Called after the
   process is fully confined (no capabilities, Landlock, seccomp), so it uses nothing that the guest may not. Never returns
   to the caller's code: the process exits. Uses static buffers, no threads. */
_Noreturn void files_serve(int fd);

#endif
