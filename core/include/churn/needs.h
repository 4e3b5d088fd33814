/** @file
 * What a plugin needs of the system, for the sandbox of a run (`sandbox:` of the pipeline's file). What it does not
 * declare is refused there with EPERM or EACCES. A plugin without this table declares nothing: `sandbox: on` binds it
 * to what any pipeline may do, `sandbox: warn` lets the run go without a sandbox.
 * Since ABI 1.3.
 */
#ifndef CHURN_NEEDS_H
#define CHURN_NEEDS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CHURN_NEEDS_CONNECT = 1, /**< it connects to what its targets name, as HOST:PORT or a URL (<churn/target.h>) */
    CHURN_NEEDS_DISCOVER = 2 /**< it connects to addresses that it learns when it runs: of a cluster, of a redirect */
};

/** The plugin's; constant. Lists end with NULL, and may be NULL themselves. */
typedef struct churn_needs {
    uint32_t size;  /**< sizeof(churn_needs) of the plugin's headers */
    uint32_t flags; /**< CHURN_NEEDS_… */
    /** Names of its options whose value is the path of a file or folder that it reads. Of a MAP: the values whose keys
     *  end in `location`. */
    const char *const *read_options;
    const char *const *write_options; /**< … that it makes or writes */
    const char *const *reads;         /**< further paths that it reads, or of programs that it runs by `execve` */
    const char *const *writes;        /**< … that it makes or writes */
    const char *const *syscalls;      /**< names of system calls beyond those of any pipeline, such as `execve` */
    /** Names of its options that make it learn addresses when they are given: CHURN_NEEDS_DISCOVER for who uses them.
     */
    const char *const *discover_options;
} churn_needs;

#ifdef __cplusplus
}
#endif
#endif
