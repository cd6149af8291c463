‰dfm
coorz& v¢3ãÈ›.^±XV‘¢^FdEwâWžFìd¿è¶K-Ì/èª‘‡"+