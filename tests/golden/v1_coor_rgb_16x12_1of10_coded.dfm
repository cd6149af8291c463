‰dfm
coor
©„ìE¿ˆ®wOßw	Cf|\QaUÙæ´‘kGbTöÙt«ëuÞä/©+ÎêÏ¯ô)(íG¾