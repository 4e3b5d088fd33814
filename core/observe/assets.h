/* The page's files, which are part of the program: made of page.css and page.js when it is built. */
#ifndef ASSETS_H
#define ASSETS_H

#include <stddef.h>

extern const char asset_css[], asset_js[];
extern const size_t asset_css_size, asset_js_size;

#endif
